/* Which host and user names are refused. */
#include "conf/ssh_names.h"

#include <stdbool.h>
#include <string.h>

/* The characters that ssh refuses in each. (A user's name may have blanks, '$' and '\\': names of
 * Windows domains do.) */
#define HOST_REFUSED " '`\"$\\;&<>|(){},"
#define USER_REFUSED "'`\";&<>|(){}"

static const char empty[] = "it is empty";
static const char option[] = "it begins with '-'";
static const char control[] = "it has a control character in it";
static const char shell[] = "it has a blank or a character in it that means something to a shell";

/* (By the bytes, not iscntrl(3): a name means the same in every locale.) */
static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

const char *ssh_host_wrong(const char *name)
{
    if (*name == '\0')
        return empty;
    if (*name == '-')
        return option;
    for (const char *c = name; *c; c++) {
        if (is_control(*c))
            return control;
        if (strchr(HOST_REFUSED, *c))
            return shell;
    }
    return NULL;
}

const char *ssh_user_wrong(const char *name)
{
    if (*name == '\0')
        return empty;
    if (*name == '-')
        return option;
    for (const char *c = name; *c; c++) {
        if (is_control(*c))
            return control;
        if (strchr(USER_REFUSED, *c) || (*c == '\\' && c[1] == '\0'))
            return shell;
        if (*c == ' ' && c[1] == '-')
            return "it has a '-' in it after a blank";
    }
    return NULL;
}
