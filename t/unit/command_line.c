/* ssh's command line as adit reads it. */
#include "conf/command_line.h"

#include "base/mem.h"
#include "conf/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 40

/* Splits at blanks; "+" stands for a blank in a word, "''" for an empty word. */
static void split(char *text, const char *words[WORDS_MAX])
{
    size_t count = 0;

    words[count++] = "adit";
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        assert_true(count < WORDS_MAX - 1);
        for (char *c = word; *c; c++)
            *c = *c == '+' ? ' ' : *c;
        words[count++] = strcmp(word, "''") == 0 ? "" : word;
    }
    words[count] = NULL;
}

static void add(struct buffer *text, const char *what, const char *value)
{
    if (value)
        text_add(text, "%s%s=%s", buffer_length(text) > 0 ? " " : "", what, value);
}

static void add_flag(struct buffer *text, const char *what, bool is)
{
    if (is)
        text_add(text, "%s%s", buffer_length(text) > 0 ? " " : "", what);
}

static void add_words(struct buffer *text, const char *what, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            add(text, what, words[i]);
        else
            text_add(text, "|%s", words[i] ? words[i] : "");
    }
}

/* All that was read, on one line. */
static char *shown(const struct command_line *line)
{
    static const char letters[] = {'L', 'R', 'D'};
    struct buffer text = {0};

    add(&text, "host", line->destination);
    add(&text, "config", line->config_file);
    add(&text, "O", line->control_command);
    add(&text, "W", line->stdio);
    add(&text, "E", line->log_file);
    add(&text, "sandbox", line->sandbox);
    add(&text, "S", line->control_path);
    add(&text, "F", line->ssh_config_file);
    for (size_t i = 0; i < line->forward_count; i++) {
        char letter[] = {letters[line->forwards[i].kind], '\0'};
        add(&text, letter, line->forwards[i].spec);
    }
    add_flag(&text, "check", line->check);
    add_flag(&text, "dump", line->dump);
    add_flag(&text, "json", line->json);
    add_flag(&text, "persist", line->persist);
    add_flag(&text, "help", line->help);
    add_flag(&text, "version", line->version);
    add_flag(&text, "f", line->background);
    add_flag(&text, "q", line->quiet);
    for (unsigned i = 0; i < line->verbose; i++)
        add_flag(&text, "v", true);
    add_words(&text, "ssh", line->ssh_words, line->ssh_word_count);
    add_words(&text, "say", line->settings, 2 * line->setting_count);
    for (size_t i = 0; i < line->warning_count; i++)
        text_add(&text, " warning=%.2s", line->warnings[i]);
    return text_take(&text);
}

/* Parses, and gives what was read, or the error. */
static char *parsed(const char *words, bool *ok)
{
    char *text = mem_strdup(words);
    char error[COMMAND_LINE_ERROR_MAX] = "";
    const char *argv[WORDS_MAX];
    struct command_line line;

    split(text, argv);
    *ok = command_line_parse((char *const *)argv, &line, error);
    char *result = *ok ? shown(&line) : mem_strdup(error);
    command_line_clear(&line);
    free(text);
    return result;
}

static void every_command_line_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *expected;
    } cases[] = {
        /* where to */
        {"host", "host=host"},
        {"user@host", "host=user@host"},
        {"ssh://user@host:2222", "host=ssh://user@host:2222"},
        {"user@2001:db8::1", "host=user@2001:db8::1"},
        {"-- host", "host=host"},
        {"-v -- host", "host=host v"},
        {"-", "host=-"},
        /* letters alone, in clusters, with values, before and after the host */
        {"-N host", "host=host"},
        {"-NTnakx2 host", "host=host"},
        {"host -NT", "host=host"},
        {"-vvnNfF file host", "host=host F=file f v v ssh=-F|file"},
        {"-Ffile host", "host=host F=file ssh=-F|file"},
        {"-fN host", "host=host f"},
        {"host -f -N", "host=host f"},
        {"-q host", "host=host q"},
        {"-E log host", "host=host E=log"},
        {"-e ~ host", "host=host"},
        {"-p 2222 host", "host=host ssh=-p|2222 say=port|2222"},
        {"-p2222 host", "host=host ssh=-p|2222 say=port|2222"},
        {"host -p 2222", "host=host ssh=-p|2222 say=port|2222"},
        {"-l user host", "host=host ssh=-l|user say=user|user"},
        {"-i a -i b host", "host=host ssh=-i|a|-i|b say=identityfile|a|identityfile|b"},
        {"-4C host", "host=host ssh=-4|-C say=addressfamily|inet|compression|yes"},
        {"-6 host", "host=host ssh=-6 say=addressfamily|inet6"},
        {"-c aes128-ctr -m hmac-sha2-256 host",
         "host=host ssh=-c|aes128-ctr|-m|hmac-sha2-256 say=ciphers|aes128-ctr|macs|hmac-sha2-256"},
        {"-b 10.0.0.1 -B lo host",
         "host=host ssh=-b|10.0.0.1|-B|lo say=bindaddress|10.0.0.1|bindinterface|lo"},
        {"-g host", "host=host ssh=-g say=gatewayports|yes"},
        {"-J a,b host", "host=host ssh=-J|a,b say=proxyjump|a,b"},
        {"-o ServerAliveInterval+30 host",
         "host=host ssh=-o|ServerAliveInterval 30 say=ServerAliveInterval 30|"},
        {"-oPort=1 host", "host=host ssh=-o|Port=1 say=Port=1|"},
        /* forwards */
        {"-L 5432:localhost:5432 host", "host=host L=5432:localhost:5432"},
        {"-L 0.0.0.0:5432:localhost:5432 host", "host=host L=0.0.0.0:5432:localhost:5432"},
        {"-L 1:a:1 -R 2:b:2 -D 3 -R 4 host", "host=host L=1:a:1 R=2:b:2 D=3 R=4"},
        {"host -L1:a:1", "host=host L=1:a:1"},
        {"-fNL 1:a:1 host", "host=host L=1:a:1 f"},
        {"-L /tmp/s:h:1 -L 2:/run/s -R 0:h:1 host", "host=host L=/tmp/s:h:1 L=2:/run/s R=0:h:1"},
        {"-D [::1]:1080 host", "host=host D=[::1]:1080"},
        {"-W db:5432 host", "host=host W=db:5432"},
        /* a master, or autossh's port */
        {"-M host", "host=host ssh=-M say=controlmaster|yes"},
        {"-fNM -S /s host", "host=host S=/s f ssh=-M|-S|/s say=controlmaster|yes|controlpath|/s"},
        {"-M 0 host", "host=host persist"},
        {"-M0 host", "host=host persist"},
        {"-M 20000 -fN host", "host=host persist f"},
        {"-M 20000:7 host", "host=host persist"},
        {"-NM 0 host", "host=host persist"},
        {"-M 10.0.0.1", "host=10.0.0.1 ssh=-M say=controlmaster|yes"},
        {"host -M", "host=host ssh=-M say=controlmaster|yes"},
        {"-M 0 -fN -o ServerAliveInterval+30 -R 2222:localhost:22 user@host",
         "host=user@host R=2222:localhost:22 persist f ssh=-o|ServerAliveInterval 30 "
         "say=ServerAliveInterval 30|"},
        /* taken with a warning */
        {"-AXt host", "host=host warning=-A warning=-X warning=-t"},
        {"-I lib -w 0:0 -KYy host",
         "host=host ssh=-I|lib say=pkcs11provider|lib warning=-w warning=-K warning=-Y "
         "warning=-y"},
        /* adit's own */
        {"--config f", "config=f"},
        {"--config=f --check", "config=f check"},
        {"--dump --config f", "config=f dump"},
        {"--config f -fvE log", "config=f E=log f v"},
        {"--dump host -N", "host=host dump"},
        {"--check host", "host=host check"},
        {"--persist host", "host=host persist"},
        {"--sandbox off host", "host=host sandbox=off"},
        {"--sandbox=require host", "host=host sandbox=require"},
        {"-O check host", "host=host O=check"},
        {"-O stop -S /s", "O=stop S=/s ssh=-S|/s say=controlpath|/s"},
        {"-O forward -L 1:a:1 host", "host=host O=forward L=1:a:1"},
        {"-O status --json --config f", "config=f O=status json"},
        {"-O close -S /s 7", "host=7 O=close S=/s ssh=-S|/s say=controlpath|/s"},
        {"-O ping office --config f", "host=office config=f O=ping"},
        {"--help", "help"},
        {"--help anything at all", "help"},
        {"-V", "version"},
        {"--version", "version"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool ok;
        char *result = parsed(cases[i].words, &ok);
        assert_string_equal(result, cases[i].expected);
        assert_true(ok);
        free(result);
    }
}

static void a_command_line_that_is_wrong_is_told_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *said; /* a part of it */
    } cases[] = {
        {"", "a host is missing"},
        {"-N", "a host is missing"},
        {"--check", "a host is missing"},
        {"''", "no name"},
        {"host ls", "'ls' after the host: adit runs no commands"},
        {"host -N ls -l", "'ls'"},
        {"-- host -N", "'-N' after the host"},
        {"-s host sftp", "-s: adit runs no commands"},
        {"-1 host", "-1: SSH protocol 1"},
        {"-G host", "adit --dump"},
        {"-Q cipher", "ssh -Q"},
        {"-P tag host", "-o Tag=tag"},
        {"-Z host", "unknown option -Z"},
        {"-NZ host", "unknown option -Z"},
        {"host -L", "-L needs [BIND:]PORT:HOST:HOSTPORT"},
        {"host -D", "-D needs [BIND:]PORT"},
        {"-fNp", "-p needs a value"},
        {"-L 5432 host", "-L: '5432' is not"},
        {"-L 5432:localhost host", "-L: '5432:localhost' is not"},
        {"-L 0:h:1 host", "-L: '0:h:1'"},
        {"-L 70000:h:1 host", "'70000' for a port"},
        {"-R x:h:1 host", "-R: 'x:h:1'"},
        {"-D a:b:c host", "-D: 'a:b:c' is not"},
        {"-W host host", "-W: 'host' is not HOST:PORT"},
        {"-W a:1 -W b:1 host", "-W can be given only once"},
        {"-W a:1 -f host", "-W needs standard input"},
        {"-W a:1 --dump host", "--dump: a file has no place for -W"},
        {"--chekc --config f", "unknown option --chekc"},
        {"--config", "--config needs a file"},
        {"--check=yes host", "--check takes no value"},
        {"--config f host", "--config FILE says it all"},
        {"--config f -p 22", "--config FILE says it all"},
        {"--config f -L 1:a:1", "--config FILE says it all"},
        {"--config f --check --dump", "--check and --dump"},
        {"--json host", "--json goes with -O"},
        {"-O", "-O needs a command, as status"},
        {"-O check", "-O asks an adit: say which"},
        {"-O check -O stop host", "-O can be given only once"},
        {"-O check --dump host", "-O asks a running adit"},
        {"-O check --config f host", "-O: --config FILE says where"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool ok;
        char *result = parsed(cases[i].words, &ok);
        if (ok || !strstr(result, cases[i].said))
            fail_msg("'%s' gives '%s', not '%s'", cases[i].words, result, cases[i].said);
        assert_null(strchr(result, '\n'));
        free(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_line_is_read),
        cmocka_unit_test(a_command_line_that_is_wrong_is_told_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
