/* The table of sections and keys, and finding one by its name. */
#include "conf/keys.h"

#include "base/nearest.h"
#include "conf/types.h"

#include <string.h>

static const char *const words_yes_no[] = {"no", "yes", NULL};
static const char *const words_log[] = {"error", "warning", "info", "debug", NULL};
static const char *const words_log_format[] = {"text", "json", NULL};
static const char *const words_sandbox[] = {"auto", "require", "off", NULL};
static const char *const words_required[] = {"auto", "no", "yes", NULL};
static const char *const words_engine[] = {"auto", "libssh", "openssh", NULL};
static const char *const words_post_quantum[] = {"no", "warn", "require", NULL};
static const char *const words_host_key[] = {"strict", "accept-new", "ask", "any", NULL};
static const char *const words_family[] = {"any", "inet", "inet6", NULL};
static const char *const words_auth[] = {"none", "password", NULL};
static const char *const words_proxy[] = {"no", "v1", "v2", "any", NULL};
static const char *const words_protocols[] = {"socks5", "socks4", "http", NULL};
static const char *const words_order[] = {"remote", "tunnel", "local", NULL};
static const char *const words_methods[] = {
    "publickey", "keyboard-interactive", "password", "gssapi-with-mic", "hostbased", "none", NULL};
static const char *const words_per[] = {"source", "user", "all", NULL};
static const char *const words_names[] = {"as-given", "resolve", NULL};

#define FIELD(object, member) .offset = offsetof(struct object, member)
#define DAY_MS (UINT64_C(24) * 60 * 60 * 1000)
#define IDLE_MAX_MS (30 * DAY_MS)

static const struct key gateway_keys[] = {
    {"workers", &type_count, FIELD(config_gateway, workers), .initial = "auto", .zero = "auto",
     .min = 1, .max = 256, .help = "Relay threads; auto is one a processor."},
    {"log", &type_choice, FIELD(config_gateway, log), .initial = "info", .words = words_log,
     .help = "The least important level of which lines are written."},
    {"log_format", &type_choice, FIELD(config_gateway, log_format), .initial = "text",
     .words = words_log_format, .help = "Lines of text, or one JSON object a line."},
    {"control", &type_file, FIELD(config_gateway, control), .otherwise = "none",
     .help = "The socket at which adit -O finds this process."},
    {"max_connections", &type_count, FIELD(config_gateway, max_connections), .initial = "unlimited",
     .zero = "unlimited", .min = 1, .max = UINT32_MAX,
     .help = "Connections at a time, of all clients; more are told to come again (503)."},
    {"held_bytes", &type_size, FIELD(config_gateway, held_bytes), .initial = "auto", .zero = "auto",
     .min = 1 << 20, .max = UINT64_MAX,
     .help = "Bytes that may be held for clients that do not read what was sent to them; auto is a "
             "quarter of the memory. If they are more, connections are cut, first those of the "
             "source for which most is held."},
    {"handshake_timeout", &type_duration, FIELD(config_gateway, handshake_timeout_ms),
     .initial = "10s", .min = 1, .max = DAY_MS,
     .help = "A client that has not finished asking by then is closed."},
    {"drain_timeout", &type_duration, FIELD(config_gateway, drain_timeout_ms), .initial = "30s",
     .max = DAY_MS, .help = "How long connections may go on after SIGTERM or SIGINT."},
    {"stream_local_bind_mask", &type_mask, FIELD(config_gateway, stream_local_bind_mask),
     .initial = "0177",
     .help = "The permissions that are taken from unix sockets, as StreamLocalBindMask."},
    {"stream_local_bind_unlink", &type_bool, FIELD(config_gateway, stream_local_bind_unlink),
     .initial = "no", .words = words_yes_no,
     .help = "Replace a file at the path of a unix socket, even one that is in use."},
    {"sandbox", &type_choice, FIELD(config_gateway, sandbox), .initial = "auto",
     .words = words_sandbox,
     .help =
         "Whether the process that talks to the network gives up, before it does so, all that it "
         "does not need. It then runs no program, opens no file but those that the resolver "
         "needs, and makes only the system calls of a list. auto: as far as the kernel and the "
         "build can; what is missing is logged. require: adit does not start if a part is "
         "missing. Read when adit starts, and at an upgrade. /etc/hosts and /etc/resolv.conf "
         "that are replaced by others, not written to, are read again at a reload, other files of "
         "the system after an upgrade. Without "
         "ssh-agent(1) and ssh-add(1) that process reads private keys itself: then auto is as off, "
         "with a "
         "warning, and with require adit does not start."},
    {"on_change", &type_program, FIELD(config_gateway, on_change), .otherwise = "none",
     .help = "A program with its arguments that is run when an upstream has its first session, or "
             "has lost the last one, and when a remote forward comes up or goes down; adit(8) says "
             "what it is told. No shell is run."},
};

static const struct key upstream_keys[] = {
    {"host", &type_hosts, FIELD(config_upstream, hosts), .flags = KEY_REQUIRED | KEY_SESSION,
     .help = "The SSH servers, each a name or an address; sessions are spread over them. Or the "
             "name of a "
             "service, whose SRV records name the servers."},
    {"user", &type_user, FIELD(config_upstream, user), .otherwise = "the user who runs adit",
     .flags = KEY_SESSION, .help = "The name to log in with."},
    {"port", &type_port, FIELD(config_upstream, port), .initial = "22", .flags = KEY_SESSION,
     .help = "The port of each host that is given without one."},
    {"jump", &type_jump, FIELD(config_upstream, jump), .otherwise = "none", .flags = KEY_SESSION,
     .help = "SSH servers to go through, in order, as ProxyJump; each can be another upstream."},
    {"proxy_command", &type_command, FIELD(config_upstream, proxy_command), .otherwise = "none",
     .flags = KEY_SESSION,
     .help =
         "A command whose input and output lead to the server, as ProxyCommand; with %h and %p."},
    {"address_family", &type_family, FIELD(config_upstream, address_family), .initial = "any",
     .words = words_family, .flags = KEY_SESSION | KEY_HOP,
     .help = "Which addresses of the hosts are used."},
    {"bind_address", &type_ip, FIELD(config_upstream, bind_address), .otherwise = "any",
     .flags = KEY_SESSION | KEY_HOP, .help = "The address of this machine to connect from."},
    {"bind_interface", &type_text, FIELD(config_upstream, bind_interface), .otherwise = "any",
     .flags = KEY_SESSION | KEY_HOP,
     .help =
         "The network interface whose address to connect from, where bind_address is not given."},
    {"tcp_keepalive", &type_bool, FIELD(config_upstream, tcp_keepalive), .initial = "yes",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Let TCP notice that the server's machine is gone."},
    {"ip_qos", &type_qos, FIELD(config_upstream, ip_qos), .initial = "none",
     .flags = KEY_SESSION | KEY_HOP,
     .help = "The class of service of what is sent to the server, as IPQoS of ssh_config: af11 to "
             "af43, cs0 to cs7, ef, le, va, lowdelay, throughput, reliability, or the number of "
             "the byte; none is the system's."},
    {"connection_attempts", &type_count, FIELD(config_upstream, connection_attempts),
     .initial = "1", .min = 1, .max = UINT32_MAX, .flags = KEY_HOP,
     .help = "How often, once a second, a connection to a host is tried before a dial counts as "
             "failed, as ConnectionAttempts of ssh_config; once a login there has succeeded, "
             "each dial tries once."},
    {"identity", &type_files, FIELD(config_upstream, identities),
     .otherwise = "~/.ssh/id_ed25519, ~/.ssh/id_ecdsa and ~/.ssh/id_rsa, those that are there",
     .flags = KEY_SESSION | KEY_HOP, .help = "Private keys to offer, in order; none: no file's."},
    {"certificate", &type_files, FIELD(config_upstream, certificates),
     .otherwise = "what lies beside an identity as FILE-cert.pub", .flags = KEY_SESSION | KEY_HOP,
     .help = "Certificates for the identities."},
    {"agent", &type_bool, FIELD(config_upstream, agent), .initial = "yes", .words = words_yes_no,
     .flags = KEY_SESSION | KEY_HOP, .help = "Ask an agent for keys."},
    {"identity_agent", &type_file, FIELD(config_upstream, identity_agent),
     .otherwise = "$SSH_AUTH_SOCK", .flags = KEY_SESSION | KEY_HOP, .help = "The agent's socket."},
    {"identities_only", &type_bool, FIELD(config_upstream, identities_only), .initial = "no",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Of the agent's keys offer only those that are named as an identity."},
    {"password_file", &type_file, FIELD(config_upstream, password_file),
     .otherwise = "the person at the terminal is asked, if there is one", .flags = KEY_SESSION,
     .help = "Its first line is the password; it also answers keyboard-interactive questions."},
    {"passphrase_file", &type_file, FIELD(config_upstream, passphrase_file),
     .otherwise = "the person at the terminal is asked, if there is one",
     .flags = KEY_SESSION | KEY_HOP | KEY_HOP_ALWAYS,
     .help = "Its first line decrypts the identities."},
    {"askpass", &type_file, FIELD(config_upstream, askpass),
     .otherwise = "nothing is asked, except on a command line as ssh(1)'s",
     .flags = KEY_HOP | KEY_HOP_ALWAYS,
     .help =
         "A program that is run with each question as its argument, and with the names of the "
         "upstream and the host in ADIT_UPSTREAM and ADIT_HOST, and prints the answer. Answers "
         "that "
         "the server accepted are kept until adit ends, except those of second factors. EXAMPLES "
         "has one that computes one-time codes."},
    {"batch_mode", &type_bool, FIELD(config_upstream, batch_mode), .initial = "no",
     .words = words_yes_no, .flags = KEY_HOP, .help = "Ask no questions, even at a terminal."},
    {"password_prompts", &type_count, FIELD(config_upstream, password_prompts), .initial = "3",
     .max = 100, .flags = KEY_HOP,
     .help = "How often a password or passphrase is asked for; with 0 none is asked for."},
    {"pubkey_authentication", &type_bool, FIELD(config_upstream, pubkey_authentication),
     .initial = "yes", .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Log in with keys; with no, none is offered."},
    {"password_authentication", &type_bool, FIELD(config_upstream, password_authentication),
     .initial = "yes", .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Log in with a password; with no, none is sent by this method."},
    {"kbd_interactive_authentication", &type_bool,
     FIELD(config_upstream, kbd_interactive_authentication), .initial = "yes",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Answer the server's questions (keyboard-interactive), of which a password is one."},
    {"preferred_authentications", &type_methods, FIELD(config_upstream, preferred_authentications),
     .initial = "publickey, keyboard-interactive, password", .words = words_methods,
     .flags = KEY_SESSION | KEY_HOP,
     .help = "The methods to log in with, in order; others are not used. gssapi-with-mic and "
             "hostbased are ssh's alone (engine), and passed over by libssh."},
    {"host_key", &type_host_key, .initial = "strict", .words = words_host_key,
     .flags = KEY_SESSION | KEY_HOP,
     .help = "Which host keys are believed. strict: those of known_hosts files. ask: also a new "
             "one that "
             "the person at the terminal confirms. accept-new and any: also new ones, which are "
             "added to the first of known_hosts. Fingerprints: only these keys. A changed or "
             "revoked key "
             "is never believed."},
    {"host_key_alias", &type_alias, FIELD(config_upstream, host_key_alias),
     .otherwise = "the host's own name", .flags = KEY_SESSION,
     .help = "The name that is looked up in known_hosts files."},
    {"known_hosts", &type_files, FIELD(config_upstream, known_hosts),
     .initial = "~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts", .flags = KEY_SESSION | KEY_HOP,
     .help = "Files of known host keys; accept-new writes to the first."},
    {"known_hosts_command", &type_known_hosts_command, FIELD(config_upstream, known_hosts_command),
     .otherwise = "none", .flags = KEY_SESSION | KEY_HOP,
     .help = "A program with its arguments that prints further lines of known hosts, as "
             "KnownHostsCommand of ssh_config. No shell is run; %I, %H, %t, %f, %K and the tokens "
             "of ssh_config are replaced in each argument. If the program fails the login does."},
    {"hash_known_hosts", &type_bool, FIELD(config_upstream, hash_known_hosts), .initial = "no",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Hash the names of hosts that are written to known_hosts."},
    {"revoked_host_keys", &type_file, FIELD(config_upstream, revoked_host_keys),
     .otherwise = "none", .flags = KEY_SESSION | KEY_HOP,
     .help = "Host keys that are never believed, as RevokedHostKeys of ssh_config: a list of "
             "public keys or a key revocation list."},
    {"no_host_authentication_for_localhost", &type_bool,
     FIELD(config_upstream, no_host_authentication_for_localhost), .initial = "no",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Believe every host key of a server at a loopback address, as ssh_config's "
             "NoHostAuthenticationForLocalhost: for machines that share it."},
    {"required_rsa_size", &type_count, FIELD(config_upstream, required_rsa_size), .initial = "1024",
     .min = 1024, .max = 16384, .flags = KEY_SESSION | KEY_HOP,
     .help = "The fewest bits of an RSA key, the server's or one to log in with."},
    {"required", &type_choice, FIELD(config_upstream, required), .initial = "auto",
     .words = words_required,
     .help = "Whether adit is ready (adit -O ready) only while this upstream has a session. auto: "
             "if all requests of some listener or forward lead there."},
    {"engine", &type_choice, FIELD(config_upstream, engine), .initial = "auto",
     .words = words_engine, .flags = KEY_SESSION | KEY_HOP,
     .help =
         "What carries the sessions: libssh inside adit, or an ssh(1) for each session, which "
         "adit starts and which knows all that OpenSSH does. auto: libssh, wherever that can do "
         "what is asked. See ENGINES."},
    {"join_master", &type_text, FIELD(config_upstream, join_master), .otherwise = "none",
     .flags = KEY_SESSION,
     .help = "The ControlPath of an ssh that a person has logged in (`ssh -M -N -f -S PATH HOST`), "
             "with a one-time code, a touch, Kerberos: adit opens its connections there instead of "
             "logging in, and never ends that ssh. ssh's tokens may be in it."},
    {"master_socket", &type_text, FIELD(config_upstream, master_socket), .otherwise = "none",
     .help = "A socket at which ssh, scp, sftp, git, rsync and Ansible find this upstream's "
             "sessions, as at a ControlPath; ssh's tokens may be in it (~/.ssh/cm-%r@%h:%p). "
             "The user that runs adit, and root, have a shell at the server there."},
    {"ssh_config", &type_bool, FIELD(config_upstream, ssh_config), .initial = "no",
     .words = words_yes_no,
     .help = "Take settings that are not given here from ssh_config(5), as ssh -G prints them."},
    {"ssh_config_file", &type_file, FIELD(config_upstream, ssh_config_file),
     .otherwise = "~/.ssh/config and /etc/ssh/ssh_config", .help = "The file that ssh reads then."},
    {"sessions", &type_range, .initial = "1-32", .min = 1, .max = CONFIG_SESSIONS_MAX,
     .help = "How many SSH sessions are kept open, and how many may be open under load."},
    {"channels", &type_count, FIELD(config_upstream, channels), .initial = "100", .min = 1,
     .max = 65535,
     .help = "How many connections a session carries before another session is opened."},
    {"idle", &type_duration, FIELD(config_upstream, idle_ms), .initial = "60s", .max = DAY_MS,
     .help =
         "A session beyond the least number is closed when it has carried nothing for this long."},
    {"keepalive", &type_duration, FIELD(config_upstream, keepalive_ms), .initial = "15s",
     .max = DAY_MS, .flags = KEY_HOP,
     .help = "A session that was silent for this long is asked for an answer; with 0, never."},
    {"keepalive_max", &type_count, FIELD(config_upstream, keepalive_max), .initial = "3", .min = 1,
     .max = 100, .flags = KEY_HOP,
     .help = "A session that left this many questions unanswered is given up."},
    {"connect_timeout", &type_duration, FIELD(config_upstream, connect_timeout_ms),
     .initial = "15s", .min = 1, .max = DAY_MS, .flags = KEY_HOP,
     .help = "How long a session may take to connect; to log in, twice as long."},
    {"open_timeout", &type_duration, FIELD(config_upstream, open_timeout_ms), .initial = "30s",
     .min = 1, .max = DAY_MS, .help = "How long the server may take to reach one destination."},
    {"hold", &type_duration, FIELD(config_upstream, hold_ms), .initial = "10s", .max = DAY_MS,
     .help = "How long a client waits for an upstream that is down. It does not wait where only a "
             "person can help (a refused login, a wrong host key)."},
    {"permit_remote_open", &type_patterns, FIELD(config_upstream, permit_remote_open),
     .otherwise = "any",
     .help = "The destinations that clients of a remote forward with SOCKS may reach."},
    {"exit_on_forward_failure", &type_bool, FIELD(config_upstream, exit_on_forward_failure),
     .initial = "no", .words = words_yes_no,
     .help =
         "Whether adit is ready (adit -O ready) only while the server listens for each of its "
         "remote forwards; with remote forwards alone, and no listener, that is so in any case. "
         "A command line ends if the server refuses one at the start."},
    {"ciphers", &type_algorithms, FIELD(config_upstream, ciphers), .flags = KEY_SESSION | KEY_HOP,
     .otherwise = "AES-GCM first where the processor has instructions for it",
     .help = "Ciphers to offer, as Ciphers of ssh_config."},
    {"kex", &type_algorithms, FIELD(config_upstream, kex), .flags = KEY_SESSION | KEY_HOP,
     .otherwise = "the SSH library's", .help = "Key exchanges, as KexAlgorithms of ssh_config."},
    {"post_quantum", &type_choice, FIELD(config_upstream, post_quantum), .initial = "warn",
     .words = words_post_quantum, .flags = KEY_SESSION | KEY_HOP,
     .help = "What to do about a key exchange that a quantum computer will break: say nothing, "
             "say so in the log (once), or refuse to log in. It is a warning, or an information "
             "where this machine's libssh knows no other: those from 0.12 on know "
             "mlkem768x25519-sha256 and sntrup761x25519-sha512."},
    {"macs", &type_algorithms, FIELD(config_upstream, macs), .flags = KEY_SESSION | KEY_HOP,
     .otherwise = "the SSH library's", .help = "Authentication codes, as MACs of ssh_config."},
    {"host_key_algorithms", &type_algorithms, FIELD(config_upstream, host_key_algorithms),
     .flags = KEY_SESSION | KEY_HOP, .otherwise = "the SSH library's, those of known keys first",
     .help = "Kinds of host keys, as HostKeyAlgorithms of ssh_config."},
    {"public_key_algorithms", &type_algorithms, FIELD(config_upstream, public_key_algorithms),
     .flags = KEY_SESSION | KEY_HOP, .otherwise = "the SSH library's",
     .help = "Signatures to log in with, as PubkeyAcceptedAlgorithms of ssh_config."},
    {"compression", &type_bool, FIELD(config_upstream, compression), .initial = "no",
     .words = words_yes_no, .flags = KEY_SESSION | KEY_HOP,
     .help = "Compress what a session carries."},
    {"rekey", &type_size, FIELD(config_upstream, rekey_bytes), .initial = "default",
     .zero = "default", .min = 16, .max = UINT64_MAX, .flags = KEY_SESSION | KEY_HOP,
     .help = "Exchange keys again after this many bytes; default is the cipher's own limit."},
    {"rekey_time", &type_duration, FIELD(config_upstream, rekey_time_ms), .initial = "0s",
     .max = CONFIG_REKEY_TIME_MAX_MS, .flags = KEY_SESSION | KEY_HOP,
     .help = "Exchange keys again after this time, with the next packet; 0s is never."},
};

static const struct key listen_keys[] = {
    {"address", &type_addresses, .flags = KEY_REQUIRED,
     .help = "The addresses at which clients are accepted."},
    {"protocols", &type_protocols, FIELD(config_listen, protocols),
     .initial = "socks5, socks4, http", .words = words_protocols,
     .help = "The protocols that are served; SOCKS4 includes SOCKS4a."},
    {"auth", &type_choice, FIELD(config_listen, auth), .initial = "none", .words = words_auth,
     .help = "Whether clients must log in."},
    {"users", &type_file, FIELD(config_listen, users_file), .otherwise = "none",
     .help = "An htpasswd file with the users that auth = password admits."},
    {"groups", &type_names, FIELD(config_listen, groups), .otherwise = "all users of the file",
     .help = "Of the users only members of these groups are admitted."},
    {"open", &type_bool, FIELD(config_listen, open), .initial = "no", .words = words_yes_no,
     .help = "With yes, everybody who can reach the address may use it."},
    {"bind", &type_bool, FIELD(config_listen, bind), .initial = "no", .words = words_yes_no,
     .help = "With yes, SOCKS clients may ask the SSH server to listen for a connection to them "
             "(BIND)."},
    {"idle_timeout", &type_duration, FIELD(config_listen, idle_timeout_ms), .initial = "0s",
     .max = IDLE_MAX_MS,
     .help = "A connection is cut when nothing has passed for this long, or up to an eighth "
             "longer; with 0, never, as over ssh(1): many protocols are silent for hours."},
    {"proxy_protocol", &type_choice, FIELD(config_listen, proxy_protocol), .initial = "no",
     .words = words_proxy,
     .help = "Whether connections from proxy_from begin with the PROXY protocol's header, of which "
             "version, that says from where the client comes; one without it is closed. See BEHIND "
             "A BALANCER."},
    {"proxy_from", &type_networks, FIELD(config_listen, proxy_from), .otherwise = "none",
     .help = "The balancers that send the header, as networks; unix for those that connect to a "
             "unix socket. Other clients are served as they come, without a header."},
    {"via", &type_text, FIELD(config_listen, via), .otherwise = "the first upstream of the file",
     .help = "The upstream for requests that no rule sends elsewhere."},
};

static const struct key forward_keys[] = {
    {"local", &type_forward, .metavar = "[bind:]port host:port",
     .help = "Connections to this machine go to one place at the far side, as ssh -L."},
    {"remote", &type_forward,
     .help = "Connections to the far side come to one place here, as ssh -R; without a place, "
             "SOCKS is served."},
    {"dynamic", &type_forward, .metavar = "[bind:]port",
     .help = "A listener on this machine whose clients name their destinations, as ssh -D."},
    {"open", &type_bool, FIELD(config_forward, open), .initial = "no", .words = words_yes_no,
     .help = "With yes, everybody who can reach a dynamic forward may use it."},
    {"idle_timeout", &type_duration, FIELD(config_forward, idle_timeout_ms), .initial = "0s",
     .max = IDLE_MAX_MS, .help = "As a listener's."},
    {"via", &type_text, FIELD(config_forward, via), .otherwise = "the first upstream of the file",
     .help = "The upstream that carries it."},
};

static const struct key group_keys[] = {
    {"users", &type_names, FIELD(config_group, users), .flags = KEY_REQUIRED,
     .help = "The members: names of users files."},
};

#define LIMIT_MOST(what)                                                                           \
    FIELD(config_limit, bounds.most[what]), .initial = "default", .zero = "default", .min = 1,     \
                                            .max = UINT32_MAX
static const struct key limit_keys[] = {
    {"from", &type_networks, FIELD(config_limit, from),
     .otherwise = "everywhere; with per = source all but loopback and unix sockets",
     .help = "The networks whose clients it covers; unix for those of unix sockets."},
    {"user", &type_names, FIELD(config_limit, users), .otherwise = "all, and those without a login",
     .help = "The users that it covers, once they have logged in."},
    {"listen", &type_names, FIELD(config_limit, listens), .otherwise = "all",
     .help = "The listeners and forwards whose clients it covers."},
    {"per", &type_choice, FIELD(config_limit, bounds.per), .initial = "source", .words = words_per,
     .help = "What is counted together: a source (an IPv4 address, the /64 of an IPv6 address), a "
             "user, or all that it covers."},
    {"connections", &type_count, LIMIT_MOST(LIMIT_CONNECTIONS),
     .help = "Connections at a time; default is 1024 for a source, and else no limit."},
    {"before_login", &type_count, LIMIT_MOST(LIMIT_BEFORE_LOGIN),
     .help = "Of these, connections whose first request and login are not done; default is 256 for "
             "a source."},
    {"opens", &type_count, LIMIT_MOST(LIMIT_OPENS),
     .help =
         "Destinations that the SSH server was asked for and has not answered about; default is "
         "64 for a source."},
    {"new", &type_count, FIELD(config_limit, bounds.fresh), .initial = "unlimited",
     .zero = "unlimited", .min = 1, .max = 1000000, .help = "New connections a second."},
    {"rate", &type_size, FIELD(config_limit, bounds.rate), .initial = "unlimited",
     .zero = "unlimited", .min = 1, .max = UINT64_MAX / 1000,
     .help = "Bytes a second, each way, which the connections that are counted together share."},
    {"burst", &type_duration, FIELD(config_limit, bounds.burst_ms), .initial = "1s", .min = 1,
     .max = 3600000,
     .help =
         "The time whose new connections and bytes may come at once, if there were none before."},
};

static const struct key resolve_keys[] = {
    {"order", &type_order, .words = words_order,
     .otherwise = "remote, and tunnel after it if there are servers",
     .help = "Where names are looked up: one after another until a name is found."},
    {"servers", &type_servers, .otherwise = "none",
     .help = "DNS servers, asked over TCP through the upstream by tunnel."},
};

static const struct key status_keys[] = {
    {"address", &type_addresses,
     .help = "Where it is served: addresses of loopback, or paths, unless there are users or "
             "open = yes."},
    {"users", &type_file, FIELD(config_status, listen.users_file), .otherwise = "none",
     .help = "An htpasswd file with the users who may see it."},
    {"open", &type_bool, FIELD(config_status, listen.open), .initial = "no", .words = words_yes_no,
     .help = "With yes, everybody who can reach the address may see it."},
    {"names", &type_names, FIELD(config_status, names), .otherwise = "none",
     .help = "The names by which it may be asked for, besides localhost and addresses."},
    {"destinations", &type_bool, FIELD(config_status, destinations), .initial = "no",
     .words = words_yes_no,
     .help = "With yes, who asks from another machine sees what connections lead to, too."},
    {"metrics_users", &type_bool, FIELD(config_status, metrics_users), .initial = "no",
     .words = words_yes_no, .help = "With yes, /metrics counts the requests of each user."},
    {"drain_announce", &type_duration, FIELD(config_status, drain_announce_ms), .initial = "10s",
     .max = DAY_MS,
     .help = "How long, before adit drains, /readyz says that it will while clients are still "
             "accepted, so that a balancer sends no more of them."},
    {"spread", &type_count, FIELD(config_status, spread), .initial = "1", .min = 1, .max = 64,
     .help = "At how many addresses, from 127.0.0.1 on, /proxy.pac tells browsers of this machine "
             "to use a listener that is at all of them."},
};

static const struct key acl_keys[] = {
    {"names", &type_bool, FIELD(config, acl_names_resolve), .initial = "as-given",
     .words = words_names,
     .help = "Whether a name's addresses are looked up and compared with rules that have networks; "
             "resolve needs servers or order = local in [resolve]."},
    {"allow", &type_rule, FIELD(config, acl), .flags = KEY_REPEATED,
     .help = "A rule: requests that match it are allowed."},
    {"deny", &type_rule, FIELD(config, acl), .flags = KEY_REPEATED,
     .help = "A rule: requests that match it are refused."},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEYS(array) .keys = (array), .key_count = COUNT(array)
#define ARRAY(type, member, length)                                                                \
    .named = true, .offset = offsetof(struct config, member),                                      \
    .count_offset = offsetof(struct config, length), .size = sizeof(struct type)

const struct section sections[] = {
    {"gateway", .offset = offsetof(struct config, gateway), KEYS(gateway_keys)},
    {"upstream", ARRAY(config_upstream, upstreams, upstream_count), KEYS(upstream_keys)},
    {"listen", ARRAY(config_listen, listens, listen_count), KEYS(listen_keys)},
    {"forward", ARRAY(config_forward, forwards, forward_count), KEYS(forward_keys)},
    {"group", ARRAY(config_group, groups, group_count), KEYS(group_keys)},
    {"limit", ARRAY(config_limit, limits, limit_count), KEYS(limit_keys)},
    {"resolve", .offset = offsetof(struct config, resolve), KEYS(resolve_keys)},
    {"status", .offset = offsetof(struct config, status), KEYS(status_keys)},
    {"acl", .offset = 0, KEYS(acl_keys)},
};
const size_t section_count = COUNT(sections);

#define HEADED(type)                                                                               \
    _Static_assert(offsetof(struct type, name) == offsetof(struct section_head, name) &&           \
                       offsetof(struct type, line) == offsetof(struct section_head, line),         \
                   #type " begins as struct section_head")
HEADED(config_upstream);
HEADED(config_listen);
HEADED(config_forward);
HEADED(config_group);
_Static_assert(offsetof(struct config_status, listen) == 0,
               "the addresses of [status] have the type of a listener's");
HEADED(config_limit);
_Static_assert(COUNT(upstream_keys) <= SECTION_KEYS_MAX, "SECTION_KEYS_MAX is too small");

const struct section *section_find(const char *name)
{
    for (size_t i = 0; i < section_count; i++) {
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    }
    return NULL;
}

const struct key *key_find(const struct section *section, const char *name)
{
    for (size_t i = 0; i < section->key_count; i++) {
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    }
    return NULL;
}

const char *section_nearest(const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < section_count; i++)
        nearest_offer(&nearest, sections[i].name);
    return nearest.best;
}

const char *key_nearest(const struct section *section, const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < section->key_count; i++)
        nearest_offer(&nearest, section->keys[i].name);
    return nearest.best;
}
