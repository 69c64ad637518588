/* An answer of ssh -G in which a line is missing, empty, doubled, too long or odd. */
#include "conf/options.h"

#include "base/mem.h"
#include "conf/paths.h"
#include "conf/types.h"
#include "io/whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* In the place of ssh, a program that prints a file. */
static char directory[] = "/tmp/adit-ssh-lines-XXXXXX";
static char *program, *answer;

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    program = mem_printf("%s/ssh", directory);
    answer = mem_printf("%s/answer", directory);
    char *script = mem_printf("#!/bin/sh\nexec cat %s\n", answer);
    write_file(program, script, strlen(script));
    free(script);
    char *path = mem_printf("%s:/usr/bin:/bin", directory);
    setenv("PATH", path, 1);
    free(path);
    setenv("HOME", "/home/test", 1);
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1); /* (no control socket by itself) */
    return chmod(program, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(program);
    unlink(answer);
    free(program);
    free(answer);
    return rmdir(directory);
}

/* The dump of a command line for which ssh -G prints this, or NULL and the message. */
static char *dump_of(const char *text, char *said, size_t size)
{
    static char name[] = "adit", host[] = "office";
    char *argv[] = {name, host, NULL};
    struct options options;
    FILE *out = tmpfile();
    int saved = dup(STDERR_FILENO);

    write_file(answer, text, strlen(text));
    assert_non_null(out);
    dup2(fileno(out), STDERR_FILENO);
    int status = options_parse(2, argv, &options);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(out);
    said[fread(said, 1, size - 1, out)] = '\0';
    fclose(out);
    assert_true((status == 0) == (options.config != NULL));
    char *dump = options.config ? config_dump(options.config) : NULL;
    options_clear(&options);
    return dump;
}

static char *recorded(const char *name)
{
    const char *source = getenv("ADIT_SRCDIR");
    char *path = mem_printf("%s/t/unit/ssh_g/%s", source ? source : ".", name);
    struct buffer bytes = {0};

    assert_null(file_read(path, 65536, FILE_REGULAR, &bytes));
    free(path);
    return text_take(&bytes);
}

/* One line of an answer in another form. The caller frees what each gives. */
static char *dropped(const char *keyword, const char *value)
{
    (void)keyword, (void)value;
    return mem_strdup("");
}

static char *without_value(const char *keyword, const char *value)
{
    (void)value;
    return mem_printf("%s \n", keyword);
}

static char *keyword_alone(const char *keyword, const char *value)
{
    (void)value;
    return mem_printf("%s\n", keyword);
}

static char *doubled(const char *keyword, const char *value)
{
    return mem_printf("%s %s\n%s %s\n", keyword, value, keyword, value);
}

static char *too_long(const char *keyword, const char *value)
{
    char *tail = mem_zalloc(70001);

    memset(tail, 'x', 70000);
    char *line = mem_printf("%s %s%s\n", keyword, value, tail);
    free(tail);
    return line;
}

static char *escape(const char *keyword, const char *value)
{
    (void)value;
    return mem_printf("%s \x1b[31m%%h%%\n", keyword);
}

static char *signs(const char *keyword, const char *value)
{
    (void)value;
    return mem_printf("%s -1,,;[]%%q ~\n", keyword);
}

static const struct {
    const char *name;
    char *(*change)(const char *keyword, const char *value);
    bool same; /* it means the same as the line that it replaces; not: as its absence, or what it
                  says */
} forms[] = {
    {"dropped", dropped, false},     {"without value", without_value, false},
    {"alone", keyword_alone, false}, {"doubled", doubled, true},
    {"too long", too_long, false},   {"escape", escape, false},
    {"signs", signs, false},
};

/* The answer with the line at `line` replaced; the caller frees. */
static char *replaced(const char *text, const char *line,
                      char *(*change)(const char *keyword, const char *value))
{
    size_t length = strcspn(line, "\n"), word = strcspn(line, " \n");
    char *keyword = mem_strndup(line, word);
    char *value = word < length ? mem_strndup(line + word + 1, length - word - 1) : mem_strdup("");
    char *in_place = change(keyword, value);
    const char *rest = line + length + (line[length] == '\n');
    char *whole = mem_printf("%.*s%s%s", (int)(line - text), text, in_place, rest);

    free(in_place);
    free(value);
    free(keyword);
    return whole;
}

/* Every line that is said begins so, and none can be obeyed by a terminal. */
static void assert_told(const char *said, const char *what)
{
    if (*said == '\0' || strchr(said, '\x1b'))
        fail_msg("%s: said '%s'", what, said);
    for (const char *line = said; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "adit: ", 6) != 0)
            fail_msg("%s: said '%s'", what, line);
    }
}

static void check_form(const char *text, const char *line, size_t form, const char *usual_dump)
{
    char *changed = replaced(text, line, forms[form].change);
    char said[9000];
    char *dump = dump_of(changed, said, sizeof(said));
    char *what = mem_printf("%.*s, %s", (int)strcspn(line, " \n"), line, forms[form].name);
    bool gone = forms[form].change == dropped || forms[form].change == without_value ||
                forms[form].change == keyword_alone;

    if (!dump)
        assert_told(said, what);
    if (forms[form].same && (!dump || strcmp(dump, usual_dump) != 0))
        fail_msg("%s: %s%s", what, said, dump ? dump : "");
    if (gone && strncmp(line, "hostname ", 9) == 0) {
        if (dump || !strstr(said, "hostname"))
            fail_msg("%s: %s", what, dump ? dump : said);
    } else if (gone && !dump) {
        fail_msg("%s: %s", what, said);
    }
    free(what);
    free(dump);
    free(changed);
}

static void check_lines(const char *name)
{
    char *text = recorded(name);
    char said[9000];
    char *dump = dump_of(text, said, sizeof(said));

    assert_non_null(dump);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++)
            check_form(text, line, form, dump);
    }
    free(dump);
    free(text);
}

static void each_line_may_be_missing_or_odd(void **state)
{
    (void)state;
    check_lines("usual-9.2");
    check_lines("office-10.0");
}

static void an_answer_may_have_nothing_of_what_is_asked(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "\n\n", "hostname\n", "= =\n", "Usage: ssh\n"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char said[9000];
        assert_null(dump_of(answers[i], said, sizeof(said)));
        assert_told(said, answers[i]);
        assert_non_null(strstr(said, "hostname"));
    }
}

/* It would stand in a ProxyCommand, in place of %h or %r. */
static void a_name_in_an_answer_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *said;
    } cases[] = {
        {"hostname $(x)\n", "adit: host: '$(x)' is no host's name: "},
        {"hostname -x\n", "adit: host: '-x' is no host's name: "},
        {"hostname h\nuser a;b\n", "adit: user: 'a;b' is no user's name: "},
        {"hostname h\nhostkeyalias a|b\n", "adit: host_key_alias: 'a|b' is no host's name: "},
        {"hostname h\nproxyjump $(x)\n", "adit: jump: '$(x)': the name of the host is refused: "},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char said[9000];
        assert_null(dump_of(cases[i].answer, said, sizeof(said)));
        if (!strstr(said, cases[i].said))
            fail_msg("%s: %s", cases[i].answer, said);
    }
}

/* The same for an upstream of a file. */
static void an_answer_about_a_file_s_upstream_is_checked(void **state)
{
    (void)state;
    static const char text[] = "[upstream a]\nhost = h, i\nssh_config = yes\n"
                               "[listen l]\naddress = 1080\n";
    static const struct {
        const char *answer, *said;
    } cases[] = {
        {"user me\n", "f:3: ssh_config: ssh -G h printed no hostname"},
        {"hostname $(x)\n", "f:3: ssh_config: HostName '$(x)' of h is no host's name: "},
        {"hostname h\nport 0\n", "f:3: port: '0' is not "},
        {"hostname h\nport x\n", "f:3: ssh_config: Port 'x' of i is not one"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_problems problems = {0};
        bool found = false;
        write_file(answer, cases[i].answer, strlen(cases[i].answer));
        assert_null(config_load_text("f", text, strlen(text), &problems));
        for (size_t k = 0; k < problems.count; k++)
            found |= strncmp(problems.lines[k], cases[i].said, strlen(cases[i].said)) == 0;
        if (!found)
            fail_msg("%s: %s", cases[i].answer, problems.lines[0]);
        config_problems_clear(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_may_be_missing_or_odd),
        cmocka_unit_test(an_answer_may_have_nothing_of_what_is_asked),
        cmocka_unit_test(a_name_in_an_answer_is_checked),
        cmocka_unit_test(an_answer_about_a_file_s_upstream_is_checked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
