/* Reading the files of ssh_config for what they forbid. */
#include "conf/ssh_files.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/paths.h"
#include "conf/types.h"
#include "io/whole.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SYSTEM_DIRECTORY "/etc/ssh"
#define FILE_SIZE_MAX ((size_t)1 << 20)
#define DEPTH_MAX 16     /* of files that include others, as in ssh */
#define PROMPTS_USUAL 3u /* ssh's default */

/* What was found so far. */
struct findings {
    bool no_pubkey, no_password, no_kbd_interactive, batch_mode;
    bool runs_commands;
    unsigned prompts;
    char *preferred; /* a comma list; NULL: no line has one */
    char *revoked;   /* the file of RevokedHostKeys; NULL: no line has one */
    char *wrong;     /* what cannot be read or obeyed */
};

/* Takes the next word off a value, without quotes round it, of either kind; NULL: there is none. */
static char *next_word(char **value)
{
    char *word = *value + strspn(*value, " \t");

    if (*word == '\0' || *word == '#')
        return NULL;
    const char *ends = *word == '"' ? "\"" : *word == '\'' ? "'" : " \t";
    word += *ends != ' ';
    char *end = word + strcspn(word, ends);
    *value = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static bool list_has(const char *list, const char *item, size_t length)
{
    while (*list) {
        size_t at = strcspn(list, ",");
        if (at == length && strncmp(list, item, length) == 0)
            return true;
        list += at + (list[at] == ',');
    }
    return false;
}

/* Leaves of the methods found before those that this line has, too. */
static void narrow_preferred(struct findings *found, const char *methods)
{
    const char *list = found->preferred;
    struct buffer both = {0};

    if (!list) {
        found->preferred = mem_strdup(methods);
        return;
    }
    while (*list) {
        size_t length = strcspn(list, ",");
        if (list_has(methods, list, length))
            text_add(&both, "%s%.*s", buffer_length(&both) > 0 ? "," : "", (int)length, list);
        list += length + (list[length] == ',');
    }
    free(found->preferred);
    found->preferred = buffer_length(&both) > 0 ? text_take(&both) : mem_strdup("none");
}

/* Only one file can be obeyed. */
static void take_revoked(struct findings *found, const char *file)
{
    if (strcasecmp(file, "none") == 0)
        return;
    if (!found->revoked)
        found->revoked = mem_strdup(file);
    else if (strcmp(found->revoked, file) != 0 && !found->wrong)
        found->wrong =
            mem_printf("RevokedHostKeys names %s and %s: without ssh, adit reads only one "
                       "file of revoked host keys",
                       found->revoked, file);
}

/* What the command says of a key may be that it is another one, or revoked; and only ssh knows for
 * which hosts it is asked. */
static void take_keys_command(struct findings *found, const char *command)
{
    if (strcasecmp(command, "none") != 0 && !found->wrong)
        found->wrong =
            mem_strdup("KnownHostsCommand of a file needs ssh, and there is no ssh on this "
                       "machine");
}

static void take_file_line(struct findings *found, const char *keyword, const char *word)
{
    bool no = strcasecmp(word, "no") == 0 || strcasecmp(word, "false") == 0;
    bool yes = strcasecmp(word, "yes") == 0 || strcasecmp(word, "true") == 0;

    if (strcmp(keyword, "pubkeyauthentication") == 0)
        found->no_pubkey |= no;
    else if (strcmp(keyword, "passwordauthentication") == 0)
        found->no_password |= no;
    else if (strcmp(keyword, "kbdinteractiveauthentication") == 0)
        found->no_kbd_interactive |= no;
    else if (strcmp(keyword, "batchmode") == 0)
        found->batch_mode |= yes;
    else if (strcmp(keyword, "preferredauthentications") == 0)
        narrow_preferred(found, word);
    else if (strcmp(keyword, "revokedhostkeys") == 0)
        take_revoked(found, word);
    else if (strcmp(keyword, "knownhostscommand") == 0)
        take_keys_command(found, word);
    else if (strcmp(keyword, "numberofpasswordprompts") == 0) {
        char *end;
        unsigned long prompts = strtoul(word, &end, 10);
        if (end > word && *end == '\0' && prompts < found->prompts)
            found->prompts = (unsigned)prompts;
    }
}

static void take_match(struct findings *found, char *conditions)
{
    const char *word;

    while ((word = next_word(&conditions)))
        found->runs_commands |= strcasecmp(word[0] == '!' ? word + 1 : word, "exec") == 0;
}

static void read_file(struct findings *found, const char *path, const char *directory,
                      unsigned depth);

/* Reads the files of an Include line; names that are not absolute are of `directory`. */
static void include(struct findings *found, char *patterns, const char *directory, unsigned depth)
{
    const char *word;

    while (depth < DEPTH_MAX && (word = next_word(&patterns))) {
        char *path = word[0] == '~'   ? path_expand(word)
                     : word[0] == '/' ? mem_strdup(word)
                                      : mem_printf("%s/%s", directory, word);
        glob_t files = {0};
        if (path && glob(path, 0, NULL, &files) == 0) {
            for (size_t i = 0; i < files.gl_pathc; i++)
                read_file(found, files.gl_pathv[i], directory, depth + 1);
        }
        globfree(&files);
        free(path);
    }
}

static void read_file(struct findings *found, const char *path, const char *directory,
                      unsigned depth)
{
    struct ssh_answer lines = {0};
    struct buffer bytes = {0};
    struct stat status;

    if (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return;
    const char *wrong = file_read(path, FILE_SIZE_MAX, FILE_REGULAR, &bytes);
    if (wrong && !found->wrong)
        found->wrong = mem_printf("%s cannot be read: %s", path, wrong);
    char *text = text_take(&bytes);
    ssh_answer_add(&lines, text);
    free(text);
    for (size_t i = 0; i < lines.count; i++) {
        char *value = lines.lines[i].value;
        if (strcmp(lines.lines[i].keyword, "include") == 0) {
            include(found, value, directory, depth);
        } else if (strcmp(lines.lines[i].keyword, "match") == 0) {
            take_match(found, value);
        } else {
            const char *word = next_word(&value);
            if (word)
                take_file_line(found, lines.lines[i].keyword, word);
        }
    }
    ssh_answer_clear(&lines);
}

static void findings_clear(struct findings *found)
{
    free(found->preferred);
    free(found->revoked);
}

static struct findings read_files(const char *file)
{
    struct findings found = {.prompts = PROMPTS_USUAL};
    char *home = home_directory();
    char *directory = mem_printf("%s/.ssh", home);
    char *users = mem_printf("%s/config", directory);

    if (!file || strcmp(file, "none") != 0)
        read_file(&found, file ? file : users, directory, 0);
    if (!file)
        read_file(&found, SYSTEM_DIRECTORY "/ssh_config", SYSTEM_DIRECTORY, 0);
    free(users);
    free(directory);
    free(home);
    return found;
}

bool ssh_files_run_commands(const char *file)
{
    struct findings found = read_files(file);

    findings_clear(&found);
    free(found.wrong);
    return found.runs_commands;
}

char *ssh_files_forbidden(const char *file, struct ssh_answer *forbidden)
{
    struct findings found = read_files(file);
    char prompts[16];

    if (found.no_pubkey)
        ssh_answer_add_line(forbidden, "pubkeyauthentication", "no");
    if (found.no_password)
        ssh_answer_add_line(forbidden, "passwordauthentication", "no");
    if (found.no_kbd_interactive)
        ssh_answer_add_line(forbidden, "kbdinteractiveauthentication", "no");
    if (found.batch_mode)
        ssh_answer_add_line(forbidden, "batchmode", "yes");
    if (found.preferred)
        ssh_answer_add_line(forbidden, "preferredauthentications", found.preferred);
    if (found.revoked)
        ssh_answer_add_line(forbidden, "revokedhostkeys", found.revoked);
    snprintf(prompts, sizeof(prompts), "%u", found.prompts);
    if (found.prompts < PROMPTS_USUAL)
        ssh_answer_add_line(forbidden, "numberofpasswordprompts", prompts);
    findings_clear(&found);
    return found.wrong;
}
