/* Options of ssh_config(5) from the keys of an upstream. */
#include "conf/master_words.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words that are being added. */
struct word_sink {
    struct string_list *words;
};

static void add_master_word(const struct word_sink *to, const char *word)
{
    string_list_append(to->words, mem_strdup(word));
}

static void add_option(const struct word_sink *to, const char *keyword, const char *value)
{
    add_master_word(to, "-o");
    string_list_append(to->words, mem_printf("%s=%s", keyword, value));
}

/* A name in quotes, as ssh's own reader takes it. `expanded`: ssh replaces tokens and variables in
 * the value (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES). A '%' stands for itself when it is
 * doubled; a "${" can only come from a variable. */
static char *quoted(const char *text, bool expanded)
{
    struct buffer out = {0};

    buffer_append(&out, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buffer_append(&out, "\\", 1);
        if (expanded && *text == '%')
            buffer_append(&out, "%", 1);
        if (expanded && text[0] == '$' && text[1] == '{')
            text_add(&out, "${%s}", MASTER_DOLLAR);
        else
            buffer_append(&out, text, 1);
    }
    buffer_append(&out, "\"", 1);
    return text_take(&out);
}

static void add_path_option(const struct word_sink *to, const char *keyword, const char *path,
                            bool expanded)
{
    char *value = quoted(path, expanded);

    add_option(to, keyword, value);
    free(value);
}

/* One writer for each key that is not a text or a choice of yes and no. */
typedef void option_writer_fn(const struct word_sink *to, const struct config_upstream *upstream);

static void write_identities(const struct word_sink *to, const struct config_upstream *u)
{
    for (size_t i = 0; i < u->identities.count; i++)
        if (strcmp(u->identities.items[i], CONFIG_IDENTITY_NONE) == 0)
            add_option(to, "IdentityFile", "none");
        else
            add_path_option(to, "IdentityFile", u->identities.items[i], true);
}

static void write_certificates(const struct word_sink *to, const struct config_upstream *u)
{
    for (size_t i = 0; i < u->certificates.count; i++)
        add_path_option(to, "CertificateFile", u->certificates.items[i], true);
}

static void write_agent(const struct word_sink *to, const struct config_upstream *u)
{
    if (!u->agent)
        add_option(to, "IdentityAgent", "none");
    else if (u->identity_agent != NULL)
        add_path_option(to, "IdentityAgent", u->identity_agent, true);
}

static void write_host_key(const struct word_sink *to, const struct config_upstream *u)
{
    static const char *const values[] = {
        [HOST_KEY_STRICT] = "yes", [HOST_KEY_ACCEPT_NEW] = "accept-new",
        [HOST_KEY_ASK] = "ask",    [HOST_KEY_ANY] = "no",
        [HOST_KEY_PINNED] = "yes", /* (conf/check refuses it) */
    };

    add_option(to, "StrictHostKeyChecking", values[u->host_key]);
}

static void write_known_hosts(const struct word_sink *to, const struct config_upstream *u)
{
    struct string_list one = {0};
    char *value = mem_strdup("UserKnownHostsFile=");

    for (size_t i = 0; i < u->known_hosts.count; i++) {
        char *path = quoted(u->known_hosts.items[i], true);
        char *more = mem_printf("%s%s%s", value, i > 0 ? " " : "", path);
        free(path);
        free(value);
        value = more;
    }
    string_list_append(&one, value);
    add_master_word(to, "-o");
    add_master_word(to, u->known_hosts.count > 0 ? one.items[0] : "UserKnownHostsFile=none");
    add_option(to, "GlobalKnownHostsFile", "none");
    string_list_clear(&one);
}

/* (OpenSSH 10.0 expands this one, 9.2 does not: conf/engines refuses what would differ.) */
static void write_revoked(const struct word_sink *to, const struct config_upstream *u)
{
    if (u->revoked_host_keys != NULL)
        add_path_option(to, "RevokedHostKeys", u->revoked_host_keys, false);
}

static void write_rekey(const struct word_sink *to, const struct config_upstream *u)
{
    char value[64];
    int length = u->rekey_bytes == 0 ? snprintf(value, sizeof(value), "default")
                                     : snprintf(value, sizeof(value), "%" PRIu64, u->rekey_bytes);

    if (u->rekey_time_ms == 0)
        snprintf(value + length, sizeof(value) - (size_t)length, " none");
    else
        snprintf(value + length, sizeof(value) - (size_t)length, " %" PRIu64,
                 (u->rekey_time_ms + 999) / 1000);
    add_option(to, "RekeyLimit", value);
}

static void add_count(const struct word_sink *to, const char *keyword, uint64_t count)
{
    char value[24];

    snprintf(value, sizeof(value), "%" PRIu64, count);
    add_option(to, keyword, value);
}

static void write_qos(const struct word_sink *to, const struct config_upstream *u)
{
    if (u->ip_qos != 0)
        add_count(to, "IPQoS", u->ip_qos);
}

static void write_prompts(const struct word_sink *to, const struct config_upstream *u)
{
    add_count(to, "NumberOfPasswordPrompts", u->password_prompts);
}

static void write_rsa_size(const struct word_sink *to, const struct config_upstream *u)
{
    add_count(to, "RequiredRSASize", u->required_rsa_size);
}

static void write_login_name(const struct word_sink *to, const struct config_upstream *u)
{
    if (u->user == NULL)
        return;
    add_master_word(to, "-l");
    add_master_word(to, u->user);
}

#define FIELD(field) offsetof(struct config_upstream, field)

static const struct {
    const char *key;
    option_writer_fn *write; /* or: */
    const char *text;        /* the keyword of a text at `offset`, or */
    const char *yes_no;      /* of a choice there */
    size_t offset;
} options_of_keys[] = {
    {"user", .write = write_login_name},
    {"identity", .write = write_identities},
    {"certificate", .write = write_certificates},
    {"agent", .write = write_agent},
    {"identity_agent", .write = write_agent},
    {"identities_only", .yes_no = "IdentitiesOnly", .offset = FIELD(identities_only)},
    {"batch_mode", .yes_no = "BatchMode", .offset = FIELD(batch_mode)},
    {"password_prompts", .write = write_prompts},
    {"pubkey_authentication", .yes_no = "PubkeyAuthentication",
     .offset = FIELD(pubkey_authentication)},
    {"password_authentication", .yes_no = "PasswordAuthentication",
     .offset = FIELD(password_authentication)},
    {"kbd_interactive_authentication", .yes_no = "KbdInteractiveAuthentication",
     .offset = FIELD(kbd_interactive_authentication)},
    {"preferred_authentications", .text = "PreferredAuthentications",
     .offset = FIELD(preferred_authentications)},
    {"host_key", .write = write_host_key},
    {"host_key_alias", .text = "HostKeyAlias", .offset = FIELD(host_key_alias)},
    {"known_hosts", .write = write_known_hosts},
    {"known_hosts_command", .text = "KnownHostsCommand", .offset = FIELD(known_hosts_command)},
    {"hash_known_hosts", .yes_no = "HashKnownHosts", .offset = FIELD(hash_known_hosts)},
    {"revoked_host_keys", .write = write_revoked},
    {"no_host_authentication_for_localhost", .yes_no = "NoHostAuthenticationForLocalhost",
     .offset = FIELD(no_host_authentication_for_localhost)},
    {"required_rsa_size", .write = write_rsa_size},
    {"ciphers", .text = "Ciphers", .offset = FIELD(ciphers)},
    {"kex", .text = "KexAlgorithms", .offset = FIELD(kex)},
    {"macs", .text = "MACs", .offset = FIELD(macs)},
    {"host_key_algorithms", .text = "HostKeyAlgorithms", .offset = FIELD(host_key_algorithms)},
    {"public_key_algorithms", .text = "PubkeyAcceptedAlgorithms",
     .offset = FIELD(public_key_algorithms)},
    {"compression", .yes_no = "Compression", .offset = FIELD(compression)},
    {"rekey", .write = write_rekey},
    {"rekey_time", .write = write_rekey},
    {"ip_qos", .write = write_qos},
};

static void write_option(const struct word_sink *to, const struct config_upstream *upstream,
                         size_t i)
{
    const char *field = (const char *)upstream + options_of_keys[i].offset;
    char *text;

    if (options_of_keys[i].write != NULL) {
        options_of_keys[i].write(to, upstream);
    } else if (options_of_keys[i].yes_no != NULL) {
        add_option(to, options_of_keys[i].yes_no, *(const bool *)field ? "yes" : "no");
    } else {
        memcpy(&text, field, sizeof(text));
        if (text != NULL)
            add_option(to, options_of_keys[i].text, text);
    }
}

void master_words_add(struct load *load, size_t index, bool all)
{
    struct config_upstream *upstream = &load->config->upstreams[index];
    const struct load_section *section = load_section_of(load, "upstream", index);
    const struct word_sink to = {&upstream->master_words};

    if (all) {
        add_master_word(&to, "-F");
        add_master_word(&to, "none");
    }
    for (size_t i = 0; i < sizeof(options_of_keys) / sizeof(options_of_keys[0]); i++)
        if (all || load_key_of(section, options_of_keys[i].key)->set)
            write_option(&to, upstream, i);
}

void master_words_take(struct config_upstream *upstream, const char *const *words, size_t count)
{
    const struct word_sink to = {&upstream->master_words};

    for (size_t i = 0; i < count; i++)
        if (i + 1 < count && (strcmp(words[i], "-J") == 0 || strcmp(words[i], "-S") == 0))
            i++; /* (adit goes that way itself, and the control socket is adit's own) */
        else
            add_master_word(&to, words[i]);
}

void master_words_host(struct config_upstream *upstream, const char *name, unsigned port)
{
    string_list_append(&upstream->master_hosts, mem_printf("%u %s", port, name));
}

/* post_quantum = require: of those that are given the hybrids that withstand a quantum computer, or
 * of ssh's own all but the classical ones. (The names of a list that begins with a sign are not
 * known here; then the session is refused if the key exchange is none of them.) */
static void add_post_quantum(const struct word_sink *to, const struct config_upstream *upstream)
{
    const char *kex = upstream->kex;
    struct buffer list = {0};

    if (!kex || strchr("+-^", kex[0])) {
        add_option(to, "KexAlgorithms", kex ? kex : "-*ecdh*,curve25519*,diffie-hellman*");
        return;
    }
    for (size_t length; *kex; kex += length + (kex[length] == ',')) {
        length = strcspn(kex, ",");
        if ((length >= 5 && strncmp(kex, "mlkem", 5) == 0) ||
            (length >= 7 && strncmp(kex, "sntrup7", 7) == 0))
            buffer_append(&list, kex, length + (kex[length] == ','));
    }
    char *text = mem_strndup((const char *)buffer_data(&list), buffer_length(&list));
    if (*text && text[strlen(text) - 1] == ',')
        text[strlen(text) - 1] = '\0';
    add_option(to, "KexAlgorithms", *text ? text : upstream->kex);
    free(text);
    buffer_clear(&list);
}

/* What makes it a master, and nothing else: whatever ssh_config(5) says for people's sessions. */
static const char *const fixed_options[] = {
    "ProxyCommand=-", /* the connection is the standard input and output */
    "ProxyUseFdpass=no",
    "ClearAllForwardings=yes",
    "ControlPersist=no",
    "ForkAfterAuthentication=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "StreamLocalBindUnlink=no", /* (whoever reaches its socket has it listen where they say) */
    "VisualHostKey=no",
    NULL,
};

static void add_options(const struct word_sink *to, const char *const *options)
{
    for (; *options != NULL; options++) {
        add_master_word(to, "-o");
        add_master_word(to, *options);
    }
}

static void add_destination(const struct word_sink *to, uint16_t port, const char *name)
{
    char text[8];

    if (port != 0) {
        snprintf(text, sizeof(text), "%u", port);
        add_master_word(to, "-p");
        add_master_word(to, text);
    }
    add_master_word(to, "--");
    add_master_word(to, name);
}

/* The host as it was given, and its port unless that is ssh_config's. One that an SRV record names
 * has the settings of ssh_config for the name of the service, as ssh -G was asked about that. */
static void add_host(const struct word_sink *to, const struct config_upstream *upstream,
                     const struct upstream_host *host)
{
    const char *given = host->index < upstream->master_hosts.count
                            ? upstream->master_hosts.items[host->index]
                            : NULL;
    uint16_t port;
    char *blank;

    if (given == NULL) {
        add_destination(to, host->port, host->name);
        return;
    }
    port = (uint16_t)strtoul(given, &blank, 10);
    if (upstream_service(upstream) != NULL) {
        add_option(to, "HostName", host->name);
        port = host->port;
    }
    add_destination(to, port, blank + 1);
}

const char **master_words(const struct config_upstream *upstream, const struct upstream_host *host,
                          const char *socket, const char *const *options)
{
    static const char *const first[] = {"ssh", "-M", "-N", "-T", "-S"};
    struct string_list words = {0};
    const struct word_sink to = {&words};

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        add_master_word(&to, first[i]);
    add_master_word(&to, socket);
    add_options(&to, fixed_options);
    add_options(&to, options);
    add_count(&to, "ServerAliveInterval", (upstream->keepalive_ms + 999) / 1000);
    add_count(&to, "ServerAliveCountMax", upstream->keepalive_max);
    if (upstream->post_quantum == POST_QUANTUM_REQUIRE)
        add_post_quantum(&to, upstream);
    for (size_t i = 0; i < upstream->master_words.count; i++)
        add_master_word(&to, upstream->master_words.items[i]);
    add_host(&to, upstream, host);
    words.items = mem_realloc(words.items, (words.count + 1) * sizeof(*words.items));
    words.items[words.count] = NULL;
    return (const char **)words.items;
}

void master_words_free(const char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free((char *)words[i]);
    free(words);
}
