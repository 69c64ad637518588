/* Linked into t/lib/adit-reworded: adit as it would be with a libssh that has other words for some
 * line of its log, namely for each that holds the text of ADIT_TEST_REWORD. */
#include <dlfcn.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>

typedef int set_log_callback(ssh_logging_callback callback);

static _Thread_local ssh_logging_callback of_adit;

static void reword(int priority, const char *function, const char *text, void *userdata)
{
    const char *other = getenv("ADIT_TEST_REWORD");

    of_adit(priority, function, other != NULL && strstr(text, other) != NULL ? "?" : text,
            userdata);
}

int ssh_set_log_callback(ssh_logging_callback callback)
{
    set_log_callback *set = (set_log_callback *)dlsym(RTLD_NEXT, "ssh_set_log_callback");

    if (set == NULL)
        abort();
    of_adit = callback;
    return set(reword);
}
