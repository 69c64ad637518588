/* Lists of files that ssh -G prints, which lack the quotes that paths with blanks had. */
#include "conf/ssh_paths.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/list_items.h"
#include "conf/paths.h"
#include "conf/types.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* Whether a word begins a path, so that it cannot be the rest of a path with a blank. */
static bool begins_path(const char *word)
{
    return strchr("/~%$", *word) != NULL;
}

/* The path that a word is; the caller frees. What there is as it stands is meant. */
static char *path_of(const char *text, size_t length, const struct ssh_tokens *tokens)
{
    char *word = mem_strndup(text, length);
    char *path = NULL;

    if (!path_exists(word))
        path = tokens ? ssh_tokens_expand_path(word, tokens) : ssh_tilde_expand(word);
    if (!path)
        return word;
    free(word);
    return path;
}

static bool is_there(const char *text, size_t length, const struct ssh_tokens *tokens)
{
    char *path = path_of(text, length, tokens);
    bool there = path_exists(path);

    free(path);
    return there;
}

/* The end of the word that follows the one that ends at `end`; `end` again: no word follows. */
static size_t next_end(const char *list, size_t end)
{
    size_t begin = end + strspn(list + end, BLANKS);

    return list[begin] ? begin + strcspn(list + begin, BLANKS) : end;
}

/* The length of the longest path at the beginning of the list whose file exists; 0: none does. */
static size_t longest_there(const char *list, const struct ssh_tokens *tokens)
{
    size_t end = strcspn(list, BLANKS);
    size_t longest = 0, last;

    do {
        longest = is_there(list, end, tokens) ? end : longest;
        last = end;
        end = next_end(list, end);
    } while (end > last);
    return longest;
}

/* The length of the next path of the list: the longest one whose file exists, else one word
 * together with the words behind it that cannot begin a path. A file that exists is never passed
 * over: it could hold the host's key or a revocation. */
static size_t path_length(const char *list, const struct ssh_tokens *tokens)
{
    size_t length = longest_there(list, tokens);

    if (length > 0)
        return length;
    length = strcspn(list, BLANKS);
    while (list[length]) {
        const char *next = list + length + strspn(list + length, BLANKS);
        if (begins_path(next) || longest_there(next, tokens) > 0)
            break;
        length = next_end(list, length);
    }
    return length;
}

char *ssh_paths_list(const char *value, const struct ssh_tokens *tokens)
{
    struct buffer text = {0};

    while (value && *value && strcasecmp(value, "none") != 0) {
        size_t length = path_length(value, tokens);
        char *path = path_of(value, length, tokens);
        list_put(&text, path);
        free(path);
        value += length + strspn(value + length, BLANKS);
    }
    return list_take(&text);
}
