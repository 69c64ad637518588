/* Any text as an answer of ssh -G: the first line is the host, the second one's first character
 * says whether the values are those of a command line; then come the answer and, behind a line
 * "--", what ssh says where nothing is configured. */
#include "conf/ssh_answer.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/keys.h"
#include "conf/types.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is told is a line of a file or of a message. */
static void add_line(struct buffer *told, const char *head, const char *text)
{
    assert(*text != '\0' && strchr(text, '\n') == NULL);
    text_add(told, "%s%s\n", head, text);
}

static void on_setting(void *arg, const char *key, const char *value)
{
    const struct key *known = key_find(section_find("upstream"), key);

    assert(known != NULL);
    text_add(arg, "%s = ", key);
    add_line(arg, "", value);
}

static void on_remark(void *arg, const char *text)
{
    add_line(arg, "# ", text);
}

static void on_problem(void *arg, const char *text)
{
    add_line(arg, "! ", text);
}

static void on_forward(void *arg, enum forward_kind kind, const char *spec)
{
    assert(kind >= FORWARD_LOCAL && kind <= FORWARD_DYNAMIC);
    add_line(arg, "forward ", spec);
}

/* All that is told of the answer, as a text. */
static char *told(const struct ssh_answer *answer, const struct ssh_answer *usual, const char *host)
{
    struct buffer text = {0};
    const struct ssh_meaning meaning = {on_setting, on_remark, &text, on_problem, NULL};
    char *path = ssh_answer_control_path(answer, host);

    ssh_answer_tell(answer, usual, host, &meaning);
    ssh_answer_each_forward(answer, on_forward, &text);
    text_add(&text, "%s %d\n", path != NULL ? path : "", (int)ssh_answer_log_level(answer));
    free(path);
    return text_take(&text);
}

/* Each line is a keyword and a value, and written so is read as the same. */
static void check_lines(const struct ssh_answer *answer)
{
    struct ssh_answer again = {0};

    for (size_t i = 0; i < answer->count; i++) {
        const struct ssh_line *line = &answer->lines[i];
        assert(*line->value != '\0' && strchr(line->value, '\n') == NULL);
        assert(strpbrk(line->keyword, " \t\r\n=\"") == NULL);
        ssh_answer_add_line(&again, line->keyword, line->value);
        assert(strcmp(again.lines[i].keyword, line->keyword) == 0);
    }
    ssh_answer_clear(&again);
}

/* The answer line by line, with a line before each that says nothing. */
static void add_in_parts(struct ssh_answer *answer, const char *text)
{
    static const char *const nothing[] = {"\n", " \t\r\n", "port\n", "unheardof yes\n"};

    for (size_t i = 0; *text != '\0'; i++) {
        size_t length = strcspn(text, "\n");
        char *line = mem_strndup(text, length);
        ssh_answer_add(answer, nothing[i % 4]);
        ssh_answer_add(answer, line);
        free(line);
        text += length + (text[length] == '\n');
    }
}

static void check(const char *host, bool raw, const char *text, const char *usual_text)
{
    struct ssh_answer answer = {.raw = raw}, parts = {.raw = raw}, usual = {0};
    char *whole, *in_parts, *against;

    ssh_answer_add(&answer, text);
    check_lines(&answer);
    whole = told(&answer, NULL, host);
    add_in_parts(&parts, text);
    in_parts = told(&parts, NULL, host);
    assert(strcmp(whole, in_parts) == 0);
    ssh_answer_add(&usual, usual_text);
    against = told(&answer, &usual, host);
    free(against);
    free(in_parts);
    free(whole);
    ssh_answer_clear(&usual);
    ssh_answer_clear(&parts);
    ssh_answer_clear(&answer);
}

/* The rest of the text behind its first line, which is ended. */
static char *next_line(char *text)
{
    size_t length = strcspn(text, "\n");

    if (text[length] == '\0')
        return text + length;
    text[length] = '\0';
    return text + length + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
    char *how = next_line(text);
    char *answer = next_line(how);
    char *usual = strstr(answer, "\n--\n");

    setenv("HOME", "/home/fuzz", 1); /* the same wherever it runs */
    unsetenv("SSH_AUTH_SOCK");
    if (usual != NULL) {
        usual[1] = '\0';
        usual += 4;
    }
    check(text, *how == 'r', answer, usual != NULL ? usual : "");
    free(text);
    return 0;
}
