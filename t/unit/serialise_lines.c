/* The serialiser, on what people give: the example file, and the command lines of an SSH
 * port-forwarding guide (t/e2e/guide.t), of which the ssh of this machine is asked. */
#include "load_text.h"

#include "config_fields.h"
#include "conf/options.h"
#include "conf/serialise.h"
#include "conf/ssh_ask.h"

#include <stdio.h>

#define WORDS_MAX 40

static const char ssh_config[] = "Host bastion\n"
                                 "    HostName bastion.example.com\n"
                                 "    User admin\n"
                                 "    IdentityFile ~/.ssh/id_ed25519_bastion\n"
                                 "Host db-server\n"
                                 "    HostName 192.168.1.50\n"
                                 "    User dbadmin\n"
                                 "    ProxyJump bastion\n"
                                 "Host app-server\n"
                                 "    HostName 192.168.1.60\n"
                                 "    ProxyJump bastion\n"
                                 "Host deep-internal\n"
                                 "    HostName 10.10.10.20\n"
                                 "    ProxyJump bastion,app-server\n"
                                 "Host db-tunnel\n"
                                 "    HostName db-server.example.com\n"
                                 "    LocalForward 5432 localhost:5432\n"
                                 "    LocalForward 6379 localhost:6379\n"
                                 "    ServerAliveInterval 60\n"
                                 "Host expose-dev\n"
                                 "    RemoteForward 9000 localhost:3000\n"
                                 "    ExitOnForwardFailure yes\n"
                                 "Host socks-proxy\n"
                                 "    DynamicForward 1080\n"
                                 "Host odd\n"
                                 "    ProxyCommand sh -c 'a  ; b'  \"c ;d\" # e\n"
                                 "    UserKnownHostsFile \"/x/sp dir/k,h\" ~/k\n"
                                 "    IdentityFile \"/x/sp  dir/i,d \"\n"
                                 "    LocalForward /run/a,b.sock /run/c\n"
                                 "    PermitRemoteOpen none\n"
                                 "Host master\n"
                                 "    ControlMaster auto\n"
                                 "    ControlPath ~/.ssh/cm-%r@%h:%p\n";

static const char *const lines[] = {
    "-L 5432:localhost:5432 user@db-server.example.com",
    "-L 0.0.0.0:5432:localhost:5432 user@db-server.example.com",
    "-g -L 5432:localhost:5432 -L 6379:localhost:6379 -L 8080:internal-web:80 user@h",
    "-vvv -o Compression=yes -o RequestTTY=no -L 5432:localhost:5432 user@server",
    "-R 9000:localhost:3000 user@public-server.example.com",
    "-R 0.0.0.0:9000:192.168.1.20:80 -R *:9001:localhost:3000 -R 0:localhost:22 user@h",
    "-R 0:localhost:22 -R 0:localhost:23 -R 1080 user@h",
    "-fN -D 0.0.0.0:1080 user@remote-server.example.com",
    "-D 1080 -D [::1]:1081 -D /run/socks.sock user@h",
    "-L /run/a.sock:/run/b.sock -L /run/c.sock:db:5432 -L 80:/run/d.sock user@h",
    "-J user@bastion.example.com user@192.168.1.50",
    "-J bastion-user@bastion.example.com:2222 internal-user@192.168.1.50",
    "-J user@bastion1.example.com,user@bastion2.internal user@final-host.internal",
    "-J admin@bastion.company.com -fN -L 3001:internal-monitoring.local:3000 admin@10.0.0.1",
    "-J bastion -L 5432:db:5432 user@db",
    "-W db:5432 bastion",
    "-o StrictHostKeyChecking=accept-new -o BatchMode=yes -4 -b 127.0.0.1 -p 2222 user@h",
    "-o Ciphers=aes128-ctr -o RekeyLimit=2G -o NumberOfPasswordPrompts=1 -i /x/id user@h",
    "-M -S /run/ctl user@h",
    "--persist db-server",
    "deep-internal",
    "db-tunnel",
    "expose-dev",
    "socks-proxy",
    "odd",
    "master",
    "ssh://user@h:2222",
};

static char directory[] = "/tmp/adit-serialise-XXXXXX";
static char *file;

static int set_up(void **state)
{
    FILE *out;

    (void)state;
    if (!mkdtemp(directory))
        return -1;
    file = mem_printf("%s/config", directory);
    out = fopen(file, "w");
    return out && fputs(ssh_config, out) >= 0 ? fclose(out) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file);
    free(file);
    return rmdir(directory);
}

static void assert_round_trip(const char *what, const struct config *config)
{
    char *text = config_serialise(config, true);
    struct config *again = config_restore(text);

    if (!again)
        fail_msg("%s cannot be restored:\n%s", what, text);
    assert_same_config(what, config, again);
    free(text);
    config_unref(again);
}

static void check_line(const char *line)
{
    char *text = mem_printf("adit -F %s %s", file, line);
    char *argv[WORDS_MAX + 1] = {NULL};
    struct options options;
    int argc = 0;

    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    if (options_parse(argc, argv, &options) != 0)
        fail_msg("%s: it cannot be run", line);
    assert_null(options.config->file);
    assert_round_trip(line, options.config);
    options_clear(&options);
    free(text);
}

static void command_lines_come_back(void **state)
{
    struct ssh_reply reply;
    bool absent = ssh_ask(&(struct ssh_question){NULL, 0, "localhost", -1}, &reply) != SSH_ANSWERED;

    (void)state;
    ssh_reply_clear(&reply);
    if (absent)
        skip();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        check_line(lines[i]);
}

static void command_lines_come_back_where_there_is_no_ssh(void **state)
{
    char *path = mem_strdup(getenv("PATH"));

    (void)state;
    setenv("PATH", "/nonexistent", 1);
    check_line("-L 5432:localhost:5432 user@db-server.example.com");
    check_line("-R 9000:localhost:3000 -D 1080 user@h");
    setenv("PATH", path, 1);
    free(path);
}

static void the_example_file_comes_back(void **state)
{
    const char *source = getenv("ADIT_SRCDIR");
    char *path = mem_printf("%s/etc/adit.ini", source ? source : ".");
    struct config_problems problems = {0};
    struct config *config = config_load(path, &problems);

    (void)state;
    if (!config)
        fail_msg("%s", problems.lines[0]);
    assert_string_equal(config->file, path);
    assert_round_trip(path, config);
    config_unref(config);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_come_back),
        cmocka_unit_test(command_lines_come_back_where_there_is_no_ssh),
        cmocka_unit_test(the_example_file_comes_back),
    };

    return cmocka_run_group_tests_name("serialise_lines", tests, set_up, tear_down);
}
