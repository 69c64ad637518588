/* What ssh -G prints, in adit's words. */
#include "conf/ssh_answer.h"

#include "base/mem.h"
#include "conf/paths.h"
#include "conf/ssh_tokens.h"
#include "conf/types.h"
#include "io/whole.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void on_setting(void *arg, const char *key, const char *value)
{
    text_add(arg, "%s = %s\n", key, value);
}

static void on_remark(void *arg, const char *text)
{
    text_add(arg, "# %.*s\n",
             (int)strcspn(text, ":") + (int)strcspn(strchr(text, ':') + 1, ":") + 1, text);
}

static void on_problem(void *arg, const char *text)
{
    text_add(arg, "! %.*s\n", (int)strcspn(text, " "), text);
}

static void on_forward(void *arg, enum forward_kind kind, const char *spec)
{
    text_add(arg, "%c %s\n", "LRD"[kind], spec);
}

/* All settings, a line each, and remarks up to their second colon. */
static char *told(const struct ssh_answer *answer, const struct ssh_answer *usual)
{
    struct buffer text = {0};
    const struct ssh_meaning meaning = {on_setting, on_remark, &text, on_problem, NULL};

    ssh_answer_tell(answer, usual, "office", &meaning);
    return text_take(&text);
}

static char *forwards(const struct ssh_answer *answer)
{
    struct buffer text = {0};

    ssh_answer_each_forward(answer, on_forward, &text);
    return text_take(&text);
}

/* What an OpenSSH printed once, from t/unit/ssh_g. */
static struct ssh_answer recorded(const char *name, const char *version)
{
    const char *source = getenv("ADIT_SRCDIR");
    char *path = mem_printf("%s/t/unit/ssh_g/%s-%s", source ? source : ".", name, version);
    struct ssh_answer answer = {0};
    struct buffer bytes = {0};

    assert_null(file_read(path, 65536, FILE_REGULAR, &bytes));
    char *text = text_take(&bytes);
    ssh_answer_add(&answer, text);
    free(text);
    free(path);
    return answer;
}

static const char *const versions[] = {"9.2", "10.0"};

static void what_a_host_is_given_is_told(void **state)
{
    (void)state;
    static const char *const ciphers[] = {
        "aes128-ctr,chacha20-poly1305@openssh.com,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,"
        "aes256-gcm@openssh.com",
        "aes128-ctr,chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
        "aes192-ctr,aes256-ctr"};

    for (size_t i = 0; i < 2; i++) {
        struct ssh_answer usual = recorded("usual", versions[i]);
        struct ssh_answer answer = recorded("office", versions[i]);
        char *text = told(&answer, &usual);
        char *expected =
            mem_printf("user = joe\n"
                       "port = 2200\n"
                       "proxy_command = nc -X 5 office.example.com 2200 joe office %%%%\n"
                       "address_family = inet\n"
                       "bind_address = 127.0.0.1\n"
                       "identity_agent = /run/joe/agent.sock\n"
                       "identities_only = yes\n"
                       "batch_mode = yes\n"
                       "password_prompts = 1\n"
                       "pubkey_authentication = yes\n"
                       "password_authentication = yes\n"
                       "kbd_interactive_authentication = yes\n"
                       "preferred_authentications = publickey\n"
                       "host_key = strict\n"
                       "host_key_alias = office-1\n"
                       "known_hosts = /home/joe/.ssh/kh_office.example.com, /home/joe/.ssh/kh2, "
                       "/etc/a, /etc/b\n"
                       "hash_known_hosts = no\n"
                       "no_host_authentication_for_localhost = no\n"
                       "required_rsa_size = 1024\n"
                       "keepalive = 60\n"
                       "keepalive_max = 5\n"
                       "connect_timeout = 7\n"
                       "permit_remote_open = a:1,b:*\n"
                       "exit_on_forward_failure = yes\n"
                       "ciphers = %s\n"
                       "kex = curve25519-sha256\n"
                       "compression = yes\n"
                       "rekey = 1073741824\n"
                       "rekey_time = 3600\n"
                       "# office: ForwardAgent\n"
                       "# office: LocalCommand\n"
                       "# office: PKCS11Provider\n"
                       "# office: RemoteCommand\n"
                       "# office: Tunnel\n",
                       ciphers[i]);
        assert_string_equal(text, expected);
        free(text);
        free(expected);

        text = forwards(&answer);
        assert_string_equal(text, "L 5432 [localhost]:5432\n"
                                  "L [::1]:5433 /run/db.sock\n"
                                  "R 9000 [localhost]:3000\n"
                                  "R 1081 [socks]:0\n"
                                  "R [*]:1082 [h]:1\n"
                                  "D 1080\n"
                                  "D [*]:1090\n");
        free(text);

        text = ssh_answer_control_path(&answer, "office");
        assert_string_equal(text, "/home/joe/.ssh/cm-joe@office.example.com:2200");
        free(text);
        assert_int_equal(ssh_answer_log_level(&answer), ADIT_LOG_INFO);
        assert_true(ssh_answer_is_yes(&answer, "gatewayports"));
        ssh_answer_clear(&answer);
        ssh_answer_clear(&usual);
    }
}

static void what_nobody_configured_is_left_to_adit(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ssh_answer usual = recorded("usual", versions[i]);
        char *text = told(&usual, &usual);

        assert_string_equal(text, "user = joe\n"
                                  "port = 22\n"
                                  "identities_only = no\n"
                                  "batch_mode = no\n"
                                  "password_prompts = 3\n"
                                  "pubkey_authentication = yes\n"
                                  "password_authentication = yes\n"
                                  "kbd_interactive_authentication = yes\n"
                                  "host_key = ask\n"
                                  "known_hosts = /home/joe/.ssh/known_hosts, "
                                  "/home/joe/.ssh/known_hosts2, /etc/ssh/ssh_known_hosts, "
                                  "/etc/ssh/ssh_known_hosts2\n"
                                  "hash_known_hosts = no\n"
                                  "no_host_authentication_for_localhost = no\n"
                                  "required_rsa_size = 1024\n"
                                  "keepalive_max = 3\n"
                                  "exit_on_forward_failure = no\n"
                                  "compression = no\n");
        free(text);
        text = forwards(&usual);
        assert_string_equal(text, "");
        free(text);
        assert_null(ssh_answer_control_path(&usual, "office"));
        assert_int_equal(ssh_answer_log_level(&usual), ADIT_LOG_WARNING);
        ssh_answer_clear(&usual);
    }
}

/* Where nothing of ssh is known, the words are those of -o. */
static void each_keyword_has_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *told;
    } cases[] = {
        {"StrictHostKeyChecking=no", "host_key = any\n"},
        {"StrictHostKeyChecking off", "host_key = any\n"},
        {"stricthostkeychecking false", "host_key = any\n"},
        {"StrictHostKeyChecking = yes", "host_key = strict\n"},
        {"stricthostkeychecking true", "host_key = strict\n"},
        {"StrictHostKeyChecking accept-new", "host_key = accept-new\n"},
        {"ServerAliveInterval 0", ""},
        {"ServerAliveInterval 2m", "keepalive = 2m\n"},
        {"ServerAliveCountMax 0", "keepalive_max = 100\n"},
        {"ServerAliveCountMax 500", "keepalive_max = 100\n"},
        {"ConnectTimeout none", ""},
        {"TCPKeepAlive yes", ""},
        {"TCPKeepAlive no", "tcp_keepalive = no\n"},
        {"KeepAlive no", "tcp_keepalive = no\n"},
        {"BindInterface eth1", "bind_interface = eth1\n"},
        {"BindInterface none", "bind_interface = none\n"},
        {"IPQoS af21 cs1", "ip_qos = af21\n"},
        {"IPQoS none none", "ip_qos = none\n"},
        {"IPQoS 0x24 0x24", "ip_qos = 0x24\n"},
        {"ConnectionAttempts 1", ""},
        {"ConnectionAttempts 3", "connection_attempts = 3\n"},
        {"ProxyJump a,b", "jump = a,b\n"},
        {"ProxyJump none", ""},
        {"User joe\nProxyJump %r@gate", "user = joe\njump = joe@gate\n"},
        {"ProxyCommand none", ""},
        {"ProxyCommand x %Z", "# office: proxycommand 'x %Z' has a token that is not known here\n"},
        {"AddressFamily any", ""},
        {"IdentityAgent none", "agent = no\n"},
        {"IdentityAgent SSH_AUTH_SOCK", ""},
        {"IdentityAgent $ADIT_TEST_AGENT", "identity_agent = /tmp/agent\n"},
        {"IdentityAgent ${ADIT_TEST_AGENT}.1", "identity_agent = /tmp/agent.1\n"},
        {"IdentityAgent $ADIT_TEST_UNSET", "agent = no\n"},
        {"IdentityAgent $ADIT_TEST_EMPTY", "agent = no\n"},
        {"IdentityAgent /x/%Z", "! identityagent\n"},
        {"IdentityFile none", "identity = none\n"},
        {"IdentityFile /x/%Z", "! identityfile\n# office: identityfile\nidentity = none\n"},
        {"UserKnownHostsFile none\nGlobalKnownHostsFile none", "known_hosts = /dev/null\n"},
        {"UserKnownHostsFile /dev/null", "known_hosts = /dev/null\n"},
        {"RekeyLimit default none", ""},
        {"RekeyLimit 0 0", ""},
        {"RekeyLimit 512000 0", "rekey = 512000\n"},
        {"RekeyLimit 16 60", "rekey = 16\nrekey_time = 60\n"},
        {"RekeyLimit 0 2592000", "rekey_time = 2073600\n"},
        {"PermitRemoteOpen any", ""},
        {"PermitRemoteOpen none", "permit_remote_open = none\n"},
        {"NumberOfPasswordPrompts 1\nPasswordAuthentication no\nKbdInteractiveAuthentication no",
         "password_prompts = 1\npassword_authentication = no\n"
         "kbd_interactive_authentication = no\n"},
        {"NumberOfPasswordPrompts 0", "password_prompts = 0\n"},
        {"NumberOfPasswordPrompts 1000", "password_prompts = 100\n"},
        {"PasswordAuthentication No", "password_authentication = no\n"},
        {"PasswordAuthentication false", "password_authentication = no\n"},
        {"PasswordAuthentication TRUE", "password_authentication = yes\n"},
        {"PasswordAuthentication maybe", "password_authentication = maybe\n"}, /* is refused */
        {"ChallengeResponseAuthentication no", "kbd_interactive_authentication = no\n"},
        {"SkeyAuthentication no", "kbd_interactive_authentication = no\n"},
        {"TISAuthentication no", "kbd_interactive_authentication = no\n"},
        {"DSAAuthentication no\nPubkeyAuthentication yes", "pubkey_authentication = no\n"},
        {"PubkeyAuthentication unbound", "pubkey_authentication = yes\n"},
        {"PubkeyAuthentication host-bound", "pubkey_authentication = yes\n"},
        {"PreferredAuthentications password,publickey",
         "preferred_authentications = password, publickey\n"},
        {"PreferredAuthentications gssapi-with-mic,foo,,password",
         "preferred_authentications = gssapi-with-mic, password\n"},
        {"PreferredAuthentications foo", "preferred_authentications = none\n"},
        {"Compression UNKNOWN", "compression = yes\n"}, /* of -C */
        {"Compression no", "compression = no\n"},
        {"BatchMode maybe", "batch_mode = maybe\n"}, /* the same */
        {"Ciphers +aes128-cbc", "ciphers = +aes128-cbc\n"},
        {"Port 1\nPort 2", "port = 1\n"},
        {"Tunnel no\nForwardX11 no\nRemoteCommand none", ""},
        {"PubkeyAuthentication no", "pubkey_authentication = no\n"},
        {"RevokedHostKeys /x", "revoked_host_keys = /x\n"},
        {"RevokedHostKeys none", ""},
        {"RevokedHostKeys /x/%n", "revoked_host_keys = /x/office\n"},
        {"RevokedHostKeys /x/%Z", "revoked_host_keys = /x/%Z\n"},
        {"HashKnownHosts yes", "hash_known_hosts = yes\n"},
        {"CheckHostIP yes", "# office: CheckHostIP\n"},
        {"NoHostAuthenticationForLocalhost yes", "no_host_authentication_for_localhost = yes\n"},
        {"RequiredRSASize 3072", "required_rsa_size = 3072\n"},
        {"RequiredRSASize 0", "required_rsa_size = 1024\n"},
        {"KnownHostsCommand /bin/keys", "known_hosts_command = /bin/keys\n"},
        {"KnownHostsCommand \"/bin/the keys\" '%n %%' %I",
         "known_hosts_command = \"/bin/the keys\" \"office %%\" %I\n"},
        {"KnownHostsCommand keys", "! KnownHostsCommand\n"},
        {"KnownHostsCommand /bin/keys %T", "! KnownHostsCommand\n"},
        {"KnownHostsCommand /bin/keys 'x", "! KnownHostsCommand\n"},
        {"KnownHostsCommand /bin/keys ${ADIT_TEST_NOT_SET}", "! knownhostscommand\n"},
        {"KnownHostsCommand none", ""},
        {"StrictHostKeyChecking no\nUserKnownHostsFile none",
         "host_key = strict\nknown_hosts = /dev/null\n"},
        {"UserKnownHostsFile /a b /c d  e", "known_hosts = /a b, /c d  e\n"},
        {"UserKnownHostsFile a", "known_hosts = a\n"},
        {"UserKnownHostsFile /a,b /c", "known_hosts = /a\\,b, /c\n"},
        {"Nothing", ""},
        {"  \n\n=\n", ""},
    };

    setenv("ADIT_TEST_AGENT", "/tmp/agent", 1);
    setenv("ADIT_TEST_EMPTY", "", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ssh_answer answer = {.raw = true};
        ssh_answer_add(&answer, cases[i].line);
        char *text = told(&answer, NULL);
        assert_string_equal(text, cases[i].told);
        free(text);
        ssh_answer_clear(&answer);
    }
}

static void touch(const char *directory, const char *name, mode_t mode)
{
    char *path = mem_printf("%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    fchmod(fd, mode);
    close(fd);
    free(path);
}

static void of_files_those_that_are_there_count(void **state)
{
    (void)state;
    static const struct {
        const char *lines; /* @ is the directory */
        const char *told;
    } cases[] = {
        {"identityfile @/a\nidentityfile @/missing\nidentityfile @/b", "identity = @/a, @/b\n"},
        {"identityfile @/only", "identity = @/only.pub\n"}, /* the agent has the other half */
        {"identityfile @/missing", "# office: identityfile\nidentity = none\n"},
        {"identityfile none", "identity = none\n"},
        {"identityfile none\nidentityfile @/a", "identity = @/a\n"},
        {"identityfile ~/.ssh/id_rsa", ""}, /* the usual one */
        {"identityfile @/%n", "identity = @/office\n"},
        {"identityfile @/with,comma", "identity = @/with\\,comma\n"},
        {"certificatefile @/a\ncertificatefile @/missing", "certificate = @/a\n"},
        {"userknownhostsfile @/missing @/a @/missing\nglobalknownhostsfile @/missing @/missing2",
         "known_hosts = @/missing, @/a, @/missing, @/missing, @/missing2\n"},
        {"userknownhostsfile @/with blank @/a b", "known_hosts = @/with blank, @/a, b\n"},
        {"userknownhostsfile @/p%n @/q%n", "known_hosts = @/p%n, @/q%n\n"},
        {"userknownhostsfile @/c ~d @/a", "known_hosts = @/c ~d, @/a\n"},
        {"userknownhostsfile missing a", "known_hosts = missing, a\n"}, /* both of the directory */
        {"userknownhostsfile missing too c ~d", "known_hosts = missing too, c ~d\n"},
    };
    char directory[] = "/tmp/adit-ssh-answer-XXXXXX";
    static const char *const names[] = {"a",          "b",    "only.pub", "office",
                                        "with,comma", "c ~d", "p%n"};
    struct ssh_answer usual = {0};

    assert_non_null(mkdtemp(directory));
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(directory), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        touch(directory, names[i], 0600);
    ssh_answer_add(&usual, "identityfile ~/.ssh/id_rsa\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ssh_answer answer = {0};
        char *texts[2];
        const char *const from[2] = {cases[i].lines, cases[i].told};
        for (size_t k = 0; k < 2; k++) {
            struct buffer text = {0};
            for (const char *c = from[k]; *c; c++)
                text_add(&text, *c == '@' ? "%s" : "%.1s", *c == '@' ? directory : c);
            texts[k] = text_take(&text);
        }
        ssh_answer_add(&answer, texts[0]);
        char *text = told(&answer, &usual);
        if (strncmp(text, "# ", 2) == 0)
            text[strlen(texts[1])] = '\0';
        assert_string_equal(text, texts[1]);
        free(text);
        free(texts[0]);
        free(texts[1]);
        ssh_answer_clear(&answer);
    }
    ssh_answer_clear(&usual);
    assert_int_equal(fchdir(before), 0);
    close(before);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = mem_printf("%s/%s", directory, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(directory);
}

static void tokens_stand_for_what_the_manual_says(void **state)
{
    (void)state;
    static const struct ssh_tokens tokens = {
        .host = "office", .name = "office.example.com", .port = "2200", .user = "joe", .jump = "j"};
    static const struct {
        const char *text;
        const char *expanded; /* NULL: not at all */
    } cases[] = {
        {"plain", "plain"},
        {"%h:%p", "office.example.com:2200"},
        {"%r@%n %k %j %T", "joe@office office j NONE"},
        {"100%%", "100%"},
        {"%d/x", "/home/test/x"},
        {"~/x", "/home/test/x"},
        {"${ADIT_TEST}/x$y", "value/x$y"},
        {"%Z", NULL},
        {"%", NULL},
        {"${ADIT_TEST_UNSET}", NULL},
        {"${ADIT_TEST", NULL},
        {"~nobody-of-that-name/x", NULL},
    };

    setenv("HOME", "/home/test/", 1);
    setenv("ADIT_TEST", "value", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = ssh_tokens_expand_path(cases[i].text, &tokens);
        if (cases[i].expanded)
            assert_string_equal(text, cases[i].expanded);
        else
            assert_null(text);
        free(text);
    }
    /* A command's variables are its shell's business. */
    char *text = ssh_tokens_expand("~ ${HOME} %h", &tokens);
    assert_string_equal(text, "~ ${HOME} office.example.com");
    free(text);
    text = ssh_tokens_expand_socket("~ ${ADIT_TEST} %h %%h", &tokens);
    assert_string_equal(text, "~ value office.example.com %h");
    free(text);
    text = ssh_tokens_expand("%C", &tokens);
    assert_int_equal(strlen(text), 40);
    assert_int_equal(strspn(text, "0123456789abcdef"), 40);
    free(text);
}

static void log_levels_are_adits(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum log_level level;
    } cases[] = {
        {"", ADIT_LOG_WARNING},
        {"loglevel SILENT", ADIT_LOG_ERROR},
        {"loglevel QUIET", ADIT_LOG_ERROR},
        {"loglevel FATAL", ADIT_LOG_ERROR},
        {"loglevel ERROR", ADIT_LOG_ERROR},
        {"loglevel INFO", ADIT_LOG_WARNING},
        {"loglevel VERBOSE", ADIT_LOG_INFO},
        {"loglevel DEBUG", ADIT_LOG_DEBUG},
        {"loglevel DEBUG3", ADIT_LOG_DEBUG},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ssh_answer answer = {0};
        ssh_answer_add(&answer, cases[i].line);
        assert_int_equal(ssh_answer_log_level(&answer), cases[i].level);
        ssh_answer_clear(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_is_given_is_told),
        cmocka_unit_test(what_nobody_configured_is_left_to_adit),
        cmocka_unit_test(each_keyword_has_its_key),
        cmocka_unit_test(of_files_those_that_are_there_count),
        cmocka_unit_test(tokens_stand_for_what_the_manual_says),
        cmocka_unit_test(log_levels_are_adits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
