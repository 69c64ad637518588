/* Every message about the values of a configuration, with its line. */
#include "config_problems.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define OF_UPSTREAM(entry, message)                                                                \
    {                                                                                              \
        LISTEN "[upstream a]\nhost = h\n" entry "\n", "f:5: " message "\n"                         \
    }
#define OF_GATEWAY(entry, message)                                                                 \
    {                                                                                              \
        MINIMAL "[gateway]\n" entry "\n", "f:6: " message "\n"                                     \
    }

static void values(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        OF_GATEWAY("workers = 0", "workers: '0' is not a number from 1 to 256, or auto"),
        OF_GATEWAY("workers = 257", "workers: '257' is not a number from 1 to 256, or auto"),
        OF_GATEWAY("log = loud", "log: 'loud' is not one of error, warning, info, debug"),
        OF_GATEWAY("log_format = xml", "log_format: 'xml' is not one of text, json"),
        OF_GATEWAY("handshake_timeout = 0",
                   "handshake_timeout: '0' is not a duration from 1ms to 1d, such as 15s or 2m30s"),
        OF_GATEWAY("drain_timeout = soon",
                   "drain_timeout: 'soon' is not a duration from 0s to 1d, such as 15s or 2m30s"),
        OF_UPSTREAM("port = 0", "port: '0' is not a port from 1 to 65535"),
        OF_UPSTREAM("port = 65536", "port: '65536' is not a port from 1 to 65535"),
        OF_UPSTREAM("agent = maybe", "agent: 'maybe' is not one of no, yes"),
        OF_UPSTREAM(
            "identity = ~bob/x",
            "identity: '~bob/x' is not a file's name (only ~/ stands for a home directory)"),
        OF_UPSTREAM(
            "password_file = ~",
            "password_file: '~' is not a file's name (only ~/ stands for a home directory)"),
        OF_UPSTREAM("identity = /nonexistent",
                    "identity: cannot read /nonexistent: No such file or directory"),
        OF_UPSTREAM("certificate = /nonexistent",
                    "certificate: cannot read /nonexistent: No such file or directory"),
        OF_UPSTREAM("password_file = /", "password_file: cannot read /: Is a directory"),
        OF_UPSTREAM("passphrase_file = /nonexistent",
                    "passphrase_file: cannot read /nonexistent: No such file or directory"),
        OF_UPSTREAM("host_key = maybe", "host_key: 'maybe' is not strict, accept-new, ask, any or "
                                        "a list of SHA256:FINGERPRINT"),
        OF_UPSTREAM("host_key = SHA256:short",
                    "host_key: 'SHA256:short' is not strict, accept-new, "
                    "ask, any or a list of SHA256:FINGERPRINT"),
        OF_UPSTREAM("known_hosts = a,,b", "known_hosts: an item of the list is empty"),
        OF_UPSTREAM("known_hosts = a,", "known_hosts: an item of the list is empty"),
        OF_UPSTREAM("revoked_host_keys = /nonexistent",
                    "revoked_host_keys: cannot read /nonexistent: No such file or directory"),
        OF_UPSTREAM("sessions = 0-1", "sessions: '0-1' is not MIN-MAX with 1 <= MIN <= MAX <= 256"),
        OF_UPSTREAM("sessions = 5-2", "sessions: '5-2' is not MIN-MAX with 1 <= MIN <= MAX <= 256"),
        OF_UPSTREAM("sessions = 1-257",
                    "sessions: '1-257' is not MIN-MAX with 1 <= MIN <= MAX <= 256"),
        OF_UPSTREAM("sessions = 1-", "sessions: '1-' is not MIN-MAX with 1 <= MIN <= MAX <= 256"),
        OF_UPSTREAM("ciphers = a b", "ciphers: 'a b' is not the name of an algorithm"),
        OF_UPSTREAM("identity_agent = ~x/y", "identity_agent: '~x/y' is not a file's name (only ~/ "
                                             "stands for a home directory)"),
        OF_UPSTREAM("address_family = ipv4",
                    "address_family: 'ipv4' is not one of any, inet, inet6"),
        OF_UPSTREAM("bind_address = host", "bind_address: 'host' is not an IP address"),
        OF_UPSTREAM("known_hosts_command = bin/x",
                    "known_hosts_command: 'bin/x' does not begin with the absolute path of a "
                    "program"),
        OF_UPSTREAM("known_hosts_command = /x 'y",
                    "known_hosts_command: '/x 'y' has a quote without an end"),
        OF_UPSTREAM("known_hosts_command = /x %T",
                    "known_hosts_command: '/x %T' has a '%' that begins no token that is known "
                    "('%%' is a '%')"),
        OF_UPSTREAM("known_hosts_command = /nonexistent %h",
                    "known_hosts_command: cannot run /nonexistent: No such file or directory"),
        OF_UPSTREAM("ip_qos = af5",
                    "ip_qos: 'af5' is not a class of IPQoS (af11 to af43, cs0 to cs7, ef, le, va, "
                    "lowdelay, throughput, reliability), a number from 0 to 255, or none"),
        OF_UPSTREAM("ip_qos = 256",
                    "ip_qos: '256' is not a class of IPQoS (af11 to af43, cs0 to cs7, ef, le, va, "
                    "lowdelay, throughput, reliability), a number from 0 to 255, or none"),
        OF_UPSTREAM(
            "ip_qos = 0x48 cs1",
            "ip_qos: '0x48 cs1' is not a class of IPQoS (af11 to af43, cs0 to cs7, ef, le, va, "
            "lowdelay, throughput, reliability), a number from 0 to 255, or none"),
        OF_UPSTREAM("ip_qos = -1",
                    "ip_qos: '-1' is not a class of IPQoS (af11 to af43, cs0 to cs7, ef, le, va, "
                    "lowdelay, throughput, reliability), a number from 0 to 255, or none"),
        OF_UPSTREAM("connection_attempts = 0",
                    "connection_attempts: '0' is not a number from 1 to 4294967295"),
        OF_UPSTREAM("tcp_keepalive = 1", "tcp_keepalive: '1' is not one of no, yes"),
        OF_UPSTREAM("askpass = /nonexistent",
                    "askpass: cannot run /nonexistent: No such file or directory"),
        OF_UPSTREAM("password_authentication = maybe",
                    "password_authentication: 'maybe' is not one of no, yes"),
        OF_UPSTREAM("preferred_authentications = publickey, passwd",
                    "preferred_authentications: 'passwd' is not one of publickey, "
                    "keyboard-interactive, password, gssapi-with-mic, hostbased, none"),
        OF_UPSTREAM("password_prompts = 101",
                    "password_prompts: '101' is not a number from 0 to 100"),
        OF_UPSTREAM("permit_remote_open = h:1, h",
                    "permit_remote_open: 'h' is not HOST:PORT, where each can be *"),
        OF_UPSTREAM("permit_remote_open = :1",
                    "permit_remote_open: ':1' is not HOST:PORT, where each can be *"),
        OF_UPSTREAM("permit_remote_open = h:0",
                    "permit_remote_open: 'h:0' is not HOST:PORT, where each can be *"),
        OF_UPSTREAM("public_key_algorithms = a,,b",
                    "public_key_algorithms: an item of the list is empty"),
        OF_GATEWAY("control = ~x/y",
                   "control: '~x/y' is not a file's name (only ~/ stands for a home directory)"),
        OF_GATEWAY("stream_local_bind_mask = 0877",
                   "stream_local_bind_mask: '0877' is not an octal number up to 0777"),
        OF_GATEWAY("stream_local_bind_mask = 1000",
                   "stream_local_bind_mask: '1000' is not an octal number up to 0777"),
        OF_GATEWAY("stream_local_bind_mask = 00177",
                   "stream_local_bind_mask: '00177' is not an octal number up to 0777"),
        OF_UPSTREAM("rekey = 15",
                    "rekey: '15' is not a size of at least 16, such as 512m or 1g, or default"),
        OF_GATEWAY("on_change = mail root", "on_change: 'mail root' does not begin with the "
                                            "absolute path of a program"),
        OF_GATEWAY("on_change = /bin/mail 'root",
                   "on_change: '/bin/mail 'root' has a quote without an end"),
        OF_GATEWAY("held_bytes = 64k",
                   "held_bytes: '64k' is not a size of at least 1m, such as 512m or 1g, or auto"),
        OF_UPSTREAM("rekey_time = 25d", "rekey_time: '25d' is not a duration from 0s to 24d, such "
                                        "as 15s or 2m30s"),
    };

    ASSERT_PROBLEMS(cases);
}

static void hosts(void **state)
{
    (void)state;
    static const char *const bad[] = {"h:0", "h:x", "[::1", "a b", "[x:]:1", "h:65536"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = mem_printf(LISTEN "[upstream a]\nhost = h, %s\n", bad[i]);
        char *expected = mem_printf(
            "f:4: host: '%s' is not HOST or HOST:PORT (an IPv6 address in brackets)\n", bad[i]);
        assert_problems(&(struct error_case){text, expected}, 1);
        free(text);
        free(expected);
    }
}

static void services(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {LISTEN "[upstream a]\nhost = srv:_ssh._tcp\n",
         "f:4: host: 'srv:_ssh._tcp' is not srv:_SERVICE._PROTO.NAME: it does not begin with "
         "_SERVICE._PROTO. and a name\n"},
        {LISTEN "[upstream a]\nhost = srv:ssh.example\n",
         "f:4: host: 'srv:ssh.example' is not srv:_SERVICE._PROTO.NAME: it does not begin with "
         "_SERVICE._PROTO. and a name\n"},
        {LISTEN "[upstream a]\nhost = srv:\n",
         "f:4: host: 'srv:' is not srv:_SERVICE._PROTO.NAME: it is empty\n"},
        {LISTEN "[upstream a]\nhost = srv:_ssh._tcp.x:22\n",
         "f:4: host: 'srv:_ssh._tcp.x:22' is not srv:_SERVICE._PROTO.NAME: it has a character that "
         "is no letter, digit, '-' or '_'\n"},
        {LISTEN "[upstream a]\nhost = h, srv:_ssh._tcp.x\n",
         "f:4: host: 'srv:_ssh._tcp.x' names all hosts: no other can be given beside it\n"},
        {LISTEN "[upstream a]\nhost = srv:_ssh._tcp.x, srv:_ssh._tcp.y\n",
         "f:4: host: 'srv:_ssh._tcp.x' names all hosts: no other can be given beside it\n"},
        {LISTEN "[upstream a]\nhost = srv:_ssh._tcp.x\njoin_master = /s\n",
         "f:5: join_master: one master leads to one host, and several are given\n"},
        {LISTEN "[upstream a]\nhost = srv:_ssh._tcp.x\nengine = openssh\n", ""},
    };

    ASSERT_PROBLEMS(cases);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"foo:1",         ":1", "::1:1",   "[::1]",  "127.0.0.1",
                                      "1.2.3.4:65536", "x",  "127.1:1", "[::1]:x"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = mem_printf(UPSTREAM "[listen x]\naddress = %s\n", bad[i]);
        char *expected = mem_printf(
            "f:4: address: '%s' is not ADDRESS:PORT, PORT, *:PORT, unix:PATH or systemd:NAME\n",
            bad[i]);
        assert_problems(&(struct error_case){text, expected}, 1);
        free(text);
        free(expected);
    }
    static const struct error_case cases[] = {
        {UPSTREAM "[listen x]\naddress = systemd:\n",
         "f:4: address: 'systemd:' is not systemd:NAME\n"},
        {UPSTREAM "[listen x]\nopen = yes\naddress = systemd:a, systemd:a\n",
         "f:5: address: systemd:a is there twice\n"},
        {UPSTREAM "[listen x]\naddress = systemd:a\n",
         "f:4: address: everybody who can reach systemd:a could use it: set auth = password, "
         "narrow it by from= in [acl], or say open = yes\n"},
        {UPSTREAM "[listen x]\naddress = unix:\n", "f:4: address: 'unix:' is not unix:PATH\n"},
        {UPSTREAM "[listen x]\naddress = unix:~bob/x\n",
         "f:4: address: 'unix:~bob/x' is not unix:PATH\n"},
        {UPSTREAM "[listen x]\naddress = unix:" X48 X48 X10 "xx\n",
         "f:4: address: 'unix:" X48 X48 X10 "xx' is too long a path (107 bytes at most)\n"},
        {UPSTREAM "[listen x]\naddress = 1080, 127.0.0.1:1080\n",
         "f:4: address: 127.0.0.1:1080 is there twice\n"},
        {MINIMAL "[listen y]\naddress = [::1]:1080\n", "f:6: address: [::1]:1080 is there twice\n"},
        {MINIMAL "[listen y]\naddress = unix:a, unix:a\n", "f:6: address: unix:a is there twice\n"},
    };
    ASSERT_PROBLEMS(cases);
}

#define ANYBODY(address)                                                                           \
    "address: everybody who can reach " address                                                    \
    " could use it: set auth = password, narrow it by "                                            \
    "from= in [acl], or say open = yes\n"

static void the_bind_rule(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {UPSTREAM "[listen x]\naddress = 1, 192.0.2.1:2, unix:x, [2001:db8::1]:3\n",
         "f:4: " ANYBODY("192.0.2.1:2") "f:4: " ANYBODY("[2001:db8::1]:3")},
        {UPSTREAM "[listen x]\naddress = *:1\n[acl]\nallow = to=* port=443\n",
         "f:4: " ANYBODY("0.0.0.0:1") "f:4: " ANYBODY("[::]:1")},
        {UPSTREAM "[listen x]\naddress = 192.0.2.1:1\n[acl]\nallow = from=0.0.0.0/0 to=*\n",
         "f:4: " ANYBODY("192.0.2.1:1")},
        /* What would follow from a value that was refused is not reported. */
        {UPSTREAM "[listen x]\naddress = *:1\nauth = pasword\n",
         "f:5: auth: 'pasword' is not one of none, password\n"},
        {UPSTREAM "[listen x]\naddress = 1\nopen = yes\nproxy_protocol = v1\n",
         "f:6: proxy_protocol needs proxy_from = NETWORK, ...: the balancers whose header is "
         "believed\n"},
        {UPSTREAM "[listen x]\naddress = 1\nproxy_from = ::1\n",
         "f:5: proxy_from needs proxy_protocol = v1, v2 or any\n"},
        {UPSTREAM "[listen x]\naddress = 1\nopen = yes\nproxy_protocol = v1\n"
                  "proxy_from = 10.0.0.1/8\n",
         "f:7: proxy_from: '10.0.0.1/8' is not ADDRESS, ADDRESS/BITS (with no bit set behind "
         "these) "
         "or unix\n"},
        {UPSTREAM "[listen x]\naddress = 1\nproxy_protocol = any\nproxy_from = ::1\n",
         "f:4: " ANYBODY("127.0.0.1:1") "f:4: " ANYBODY("[::1]:1")},
        {UPSTREAM "[listen x]\naddress = *:1\n[acl]\nallow = from=nowhere\n",
         "f:6: allow: from=nowhere: \"nowhere\" is no network or address, and neither "
         "\"unix\" nor \"remote\"\n"},
    };

    ASSERT_PROBLEMS(cases);
}

static void listeners(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "via = b\n", "f:5: via: there is no [upstream b]\n"},
        {MINIMAL "protocols = socks6\n",
         "f:5: protocols: 'socks6' is not one of socks5, socks4, http\n"},
        {MINIMAL "protocols = http, http\n", "f:5: protocols: 'http' is there twice\n"},
        {MINIMAL "auth = password\n", "f:5: auth = password needs users = FILE\n"},
        {MINIMAL "users = /etc/passwd\n", "f:5: users = FILE needs auth = password\n"},
        {MINIMAL "auth = password\nusers = /nonexistent\n",
         "f:6: users: cannot read /nonexistent: No such file or directory (adit --passwd FILE USER "
         "makes one)\n"},
        {MINIMAL "auth = password\nusers = /dev/null\n",
         "f:6: users: cannot read /dev/null: Not a regular file (adit --passwd FILE USER makes "
         "one)\n"},
    };

    ASSERT_PROBLEMS(cases);
}

/* spread of [status]: some listener is where /proxy.pac says that one is. */
#define SPREAD(address, more, spread)                                                              \
    "[upstream a]\nhost = h\n[listen b]\nopen = yes\naddress = " address "\n" more                 \
    "[status]\naddress = 1\nspread = " spread "\n"
#define NO_SPREAD(line, last)                                                                      \
    "f:" line ": spread: no listener for browsers is at each of 127.0.0.1 to 127.0.0." last        \
    ": give one address = 127.0.0.1:1080, 127.0.0.2:1080 and so on, or 0.0.0.0:1080\n"
static void a_spread_needs_a_listener_that_is_there(void **state)
{
    static const struct error_case cases[] = {
        {SPREAD("127.0.0.1:2", "", "1"), ""},
        {SPREAD("127.0.0.1:2", "", "2"), NO_SPREAD("8", "2")},
        {SPREAD("127.0.0.1:2, 127.0.0.2:2", "", "2"), ""},
        {SPREAD("127.0.0.2:2, 127.0.0.3:2", "", "2"), NO_SPREAD("8", "2")},
        {SPREAD("127.0.0.1:2, 127.0.0.2:2", "", "3"), NO_SPREAD("8", "3")},
        {SPREAD("0.0.0.0:2", "", "64"), ""},
        {SPREAD("*:2", "", "64"), ""},
        {SPREAD("[::]:2", "", "2"), NO_SPREAD("8", "2")},
        {SPREAD("unix:/s", "", "2"), NO_SPREAD("8", "2")},
        {SPREAD("systemd:x", "", "2"), ""}, /* (where that is, systemd knows) */
        {SPREAD("0.0.0.0:2", "protocols = socks4\n", "2"), NO_SPREAD("9", "2")},
        {SPREAD("127.0.0.1:3", "[listen c]\nopen = yes\naddress = 0.0.0.0:2\n", "2"), ""},
        {SPREAD("127.0.0.1:3", "[forward c]\nlocal = 0.0.0.0:2 h:4\n", "2"), NO_SPREAD("10", "2")},
        {SPREAD("127.0.0.1:3", "[forward c]\ndynamic = 0.0.0.0:2\nopen = yes\n", "2"), ""},
        {SPREAD("0.0.0.0:2", "", "65"), "f:8: spread: '65' is not a number from 1 to 64\n"},
        {SPREAD("nowhere", "", "2"), "f:5: address: 'nowhere' is not ADDRESS:PORT, PORT, *:PORT, "
                                     "unix:PATH or systemd:NAME\n"},
    };

    (void)state;
    ASSERT_PROBLEMS(cases);
}

static void lines_of_a_users_file_are_named(void **state)
{
    (void)state;
    char name[] = "/tmp/adit-users-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\nbob\n", 5), 5);
    close(fd);
    char *text = mem_printf(MINIMAL "auth = password\nusers = %s\nfoo = 1\n", name);
    char *expected = mem_printf("%s:2: ", name);
    char *problems = load_problems(text, NULL);

    assert_memory_equal(problems, expected, strlen(expected));
    assert_non_null(strstr(problems, "\nf:7: unknown key 'foo'"));
    unlink(name);
    free(problems);
    free(expected);
    free(text);
}

static void resolving(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[resolve]\norder = remote, tunnel\n", "f:6: order: tunnel needs servers\n"},
        {MINIMAL "[resolve]\norder = remote, magic\n",
         "f:6: order: 'magic' is not one of remote, tunnel, local\n"},
        {MINIMAL "[resolve]\norder = local, local\n", "f:6: order: 'local' is there twice\n"},
        {MINIMAL "[resolve]\nservers = dns.example\n",
         "f:6: servers: 'dns.example' is not ADDRESS or ADDRESS:PORT\n"},
        {MINIMAL "[resolve]\nservers = 10.0.0.1:0\norder = tunnel\n",
         "f:6: servers: '10.0.0.1:0' is not ADDRESS or ADDRESS:PORT\n"},
    };

    ASSERT_PROBLEMS(cases);
}

#define NOBODY                                                                                     \
    "names: resolve has no server to ask: say servers = ADDRESS in [resolve] (DNS servers, asked " \
    "through the SSH session), or order = local there (this machine's resolvers, which then see "  \
    "the names)\n"

/* No resolver of this machine is asked unless it was said. */
static void names_that_nobody_is_to_look_up(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[acl]\nallow = to=*\nnames = resolve\n", "f:7: " NOBODY},
        {MINIMAL "[resolve]\n[acl]\nallow = to=*\nnames = resolve\n", "f:8: " NOBODY},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\norder = remote\n", "f:6: " NOBODY},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\nservers = x\n",
         "f:8: servers: 'x' is not ADDRESS or ADDRESS:PORT\n"},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\norder = lokal\n",
         "f:8: order: 'lokal' is not one of remote, tunnel, local\n"},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\norder = local\n", ""},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\norder = remote, local\n", ""},
        {MINIMAL "[acl]\nnames = resolve\n[resolve]\nservers = ::1\n", ""},
        {MINIMAL "[acl]\nnames = as-given\n", ""},
    };

    ASSERT_PROBLEMS(cases);
}

static void rules(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[acl]\nallow = to=* via=b\n", "f:6: via=b: there is no [upstream b]\n"},
        {MINIMAL "[acl]\ndeny = to=* listen=y\n",
         "f:6: listen=y: there is no [listen y] and no [forward y]\n"},
        {MINIMAL "[limit l]\nlisten = x, y\n",
         "f:6: listen: there is no [listen y] and no [forward y]\n"},
        {MINIMAL "[group s]\nusers = a\n[acl]\nallow = group=s,t\n",
         "f:8: group=t: there is no [group t]\n"},
        {MINIMAL "[group s]\nusers = a, b*\n", "f:6: users: 'b*' must be a plain name\n"},
        {MINIMAL "[group s]\nusers = a\n[listen y]\naddress = 9\ngroups = s, t\n",
         "f:9: groups needs auth = password\nf:9: groups: there is no [group t]\n"},
        {MINIMAL "[forward y]\nremote = /run/y h:1\n",
         "f:6: remote: libssh cannot ask a server to listen on a unix socket ('/run/y'); ssh can "
         "(engine = openssh, join_master)\n"},
        {MINIMAL "[acl]\nallow = to=*\nallow = bad\n",
         "f:7: allow: bad: a rule is made of words KEY=LIST\n"},
        {MINIMAL "[acl]\nallow = to=a, b\n", "f:6: allow: to=a,: \"\" is an empty item\n"},
        {MINIMAL "[acl]\ndeny =\n", "f:6: deny: a value is missing\n"},
        {MINIMAL "[acl]\nnames = resolve\nnames = resolve\n[resolve]\nservers = ::1\n",
         "f:7: names was given on line 6 already\n"},
        {MINIMAL "[acl]\nnames = maybe\n", "f:6: names: 'maybe' is not one of as-given, resolve\n"},
    };

    ASSERT_PROBLEMS(cases);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct config_problems problems = {0};

    assert_null(config_load("/nonexistent", &problems));
    assert_null(config_load("/", &problems));
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.lines[0],
                        "/nonexistent: cannot be read: No such file or directory "
                        "(adit --init /nonexistent writes a first one)");
    assert_string_equal(problems.lines[1], "/: cannot be read: Is a directory");
    config_problems_clear(&problems);
    assert_int_equal(problems.count, 0);
}

/* They stand in commands, in place of %h, %r and %k. */
static void names_that_ssh_does_not_take(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[upstream b]\nhost = $(x)\n",
         "f:6: host: '$(x)' is no host's name: it has a blank or a character in it that means "
         "something to a shell\n"},
        {MINIMAL "[upstream b]\nhost = h, -x:22\n",
         "f:6: host: '-x' is no host's name: it begins with '-'\n"},
        {MINIMAL "[upstream b]\nhost = h\nuser = a;b\n",
         "f:7: user: 'a;b' is no user's name: it has a blank or a character in it that means "
         "something to a shell\n"},
        {MINIMAL "[upstream b]\nhost = h\nuser = -b\n",
         "f:7: user: '-b' is no user's name: it begins with '-'\n"},
        {MINIMAL "[upstream b]\nhost = h\nhost_key_alias = `x`\n",
         "f:7: host_key_alias: '`x`' is no host's name: it has a blank or a character in it that "
         "means something to a shell\n"},
        {MINIMAL "[upstream b]\nhost = h\njump = c, u@d|e\n",
         "f:7: jump: 'u@d|e': the name of the host is refused: it has a blank or a character in it "
         "that means something to a shell\n"},
        {MINIMAL "[upstream b]\nhost = h\njump = ssh://a%60b@c\n",
         "f:7: jump: 'ssh://a%60b@c': the name of the user is refused: it has a blank or a "
         "character in it that means something to a shell\n"},
    };

    ASSERT_PROBLEMS(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(hosts),
        cmocka_unit_test(services),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_bind_rule),
        cmocka_unit_test(listeners),
        cmocka_unit_test(a_spread_needs_a_listener_that_is_there),
        cmocka_unit_test(lines_of_a_users_file_are_named),
        cmocka_unit_test(resolving),
        cmocka_unit_test(rules),
        cmocka_unit_test(names_that_nobody_is_to_look_up),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(names_that_ssh_does_not_take),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
