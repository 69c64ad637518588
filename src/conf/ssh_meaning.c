/* The keywords of ssh_config(5) as keys of adit.ini(5): one table. */
#include "conf/ssh_answer.h"

#include "base/mem.h"
#include "base/units.h"
#include "conf/ssh_tokens.h"
#include "conf/ssh_scene.h"
#include "conf/ssh_undone.h"
#include "conf/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void ssh_scene_remark(const struct ssh_scene *scene, const char *format, ...)
{
    struct buffer text = {0};
    va_list args;
    char *what;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        abort();
    va_end(args);
    text_add(&text, "%s: %s", scene->tokens.host, what);
    free(what);
    what = text_take(&text);
    scene->meaning->remark(scene->meaning->arg, what);
    free(what);
}

/* Each of these functions is an ssh_value_fn. */

static char *as_is(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return mem_strdup(value);
}

static char *expanded(const struct ssh_scene *scene, const char *value)
{
    if (ssh_word_is_none(value))
        return NULL;
    char *text = ssh_tokens_expand(value, &scene->tokens);
    if (!text)
        ssh_scene_remark(scene, "%s '%s' has a token that is not known here", scene->keyword,
                         value);
    return text;
}

/* A command whose '%' are doubled, since its tokens are replaced again for each connection. */
static char *command(const struct ssh_scene *scene, const char *value)
{
    char *text = expanded(scene, value);
    struct buffer out = {0};

    for (const char *c = text; c && *c; c++)
        text_add(&out, "%s%c", *c == '%' ? "%" : "", *c);
    bool known = text != NULL;
    free(text);
    return known ? text_take(&out) : NULL;
}

/* (Another word is passed on; the key's own parser refuses it.) */
static char *yes_no(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return mem_strdup(ssh_word_is_yes(value) ? "yes" : ssh_word_is_no(value) ? "no" : value);
}

/* Compression: newer versions (OpenSSH 10.0) know no name for what their own -C sets. */
static char *compression(const struct ssh_scene *scene, const char *value)
{
    return strcmp(value, "UNKNOWN") == 0 ? mem_strdup("yes") : yes_no(scene, value);
}

/* PubkeyAuthentication: adit knows no signatures that are bound to the host key (OpenSSH's
 * publickey-hostbound-v00), and servers do not ask for them. */
static char *pubkey(const struct ssh_scene *scene, const char *value)
{
    if (strcasecmp(value, "unbound") == 0 || strcasecmp(value, "host-bound") == 0)
        return mem_strdup("yes");
    return yes_no(scene, value);
}

/* PreferredAuthentications. ssh passes over methods that it does not know; a list of nothing else
 * leaves none. */
static char *methods(const struct ssh_scene *scene, const char *value)
{
    static const char *const known[] = {
        "publickey", "keyboard-interactive", "password", "gssapi-with-mic", "hostbased", NULL};
    char *copy = mem_strdup(value), *rest = copy;
    struct buffer text = {0};

    (void)scene;
    while (rest) {
        const char *item = strsep(&rest, ",");
        if (word_index(known, item) >= 0)
            text_add(&text, "%s%s", buffer_length(&text) > 0 ? ", " : "", item);
    }
    free(copy);
    return buffer_length(&text) > 0 ? text_take(&text) : mem_strdup("none");
}

/* A number; the key's greatest is 100. */
static char *up_to_100(const char *value, uint64_t least)
{
    uint64_t number;

    if (!integer_parse(value, 0, UINT64_MAX, &number))
        return mem_strdup(value);
    number = number < least ? 100 : number; /* ServerAliveCountMax 0: never dead */
    return mem_printf("%u", number > 100 ? 100U : (unsigned)number);
}

static char *prompts(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return up_to_100(value, 0);
}

static char *keepalive_max(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return up_to_100(value, 1);
}

/* (0 is ssh's default. Only a configured 0 turns keepalives off.) */
static char *seconds(const struct ssh_scene *scene, const char *value)
{
    uint64_t milliseconds;

    (void)scene;
    if (ssh_word_is_none(value) || (duration_parse(value, &milliseconds) && milliseconds == 0))
        return NULL;
    return mem_strdup(value);
}

/* (ssh uses its own minimum in the place of a smaller value.) */
static char *rsa_size(const struct ssh_scene *scene, const char *value)
{
    uint64_t bits;

    (void)scene;
    return mem_strdup(integer_parse(value, 0, UINT64_MAX, &bits) && bits < 1024 ? "1024" : value);
}

/* ServerAliveInterval. With BatchMode, the default of Debian's ssh is 5 minutes; `usual` has that
 * value then, and it does not count as configured. */
static char *interval(const struct ssh_scene *scene, const char *value)
{
    const char *usual = scene->usual ? ssh_answer_value(scene->usual, scene->keyword) : NULL;

    return usual && strcmp(usual, value) == 0 ? NULL : seconds(scene, value);
}

static char *host_key(const struct ssh_scene *scene, const char *value)
{
    const char *files = ssh_answer_value(scene->answer, "userknownhostsfile");

    /* Without a known_hosts file of the user, ssh accepts no new host key, whatever
     * StrictHostKeyChecking is. */
    if (files && ssh_word_is_none(files))
        return mem_strdup("strict");
    if (ssh_word_is_yes(value))
        return mem_strdup("strict");
    if (ssh_word_is_no(value) || strcasecmp(value, "off") == 0)
        return mem_strdup("any");
    return mem_strdup(value); /* ask, accept-new */
}

/* A list of algorithms that equals ssh's default was not configured: adit's own order is faster. */
static char *algorithms(const struct ssh_scene *scene, const char *value)
{
    const char *usual = scene->usual ? ssh_answer_value(scene->usual, scene->keyword) : NULL;

    return usual && strcmp(usual, value) == 0 ? NULL : mem_strdup(value);
}

/* RekeyLimit BYTES SECONDS, where 0, "default" and "none" are no limit of one's own. */
static char *rekey(const struct ssh_scene *scene, const char *value)
{
    char *amount = mem_strndup(value, strcspn(value, " \t"));
    uint64_t bytes;

    (void)scene;
    if (strcasecmp(amount, "default") != 0 && !ssh_word_is_none(amount) &&
        !(size_parse(amount, &bytes) && bytes == 0))
        return amount;
    free(amount);
    return NULL;
}

static char *rekey_time(const struct ssh_scene *scene, const char *value)
{
    const char *time = value + strcspn(value, " \t");
    uint64_t milliseconds;

    time += strspn(time, " \t");
    if (duration_parse(time, &milliseconds) && milliseconds > CONFIG_REKEY_TIME_MAX_MS)
        return mem_printf("%llu", (unsigned long long)CONFIG_REKEY_TIME_MAX_MS / 1000);
    return *time ? seconds(scene, time) : NULL;
}

/* PermitRemoteOpen: blanks between patterns become commas. */
static char *patterns(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    if (strcasecmp(value, "any") == 0)
        return NULL;
    char *text = mem_strdup(value);
    for (char *c = text; *c; c++)
        *c = *c == ' ' || *c == '\t' ? ',' : *c;
    return text;
}

/* "-NAME,..." with the names of `usual` that the value leaves out, if the value has the others in
 * the same order and leaves less out than it keeps: then it was most likely given in that form,
 * which ssh -G does not print. NULL: it is another list. */
static char *left_out(const char *usual, const char *value)
{
    struct buffer text = {0};
    size_t kept = 0, dropped = 0;

    for (; *usual; usual += strcspn(usual, ","), usual += *usual == ',') {
        int length = (int)strcspn(usual, ",");
        if (strcspn(value, ",") == (size_t)length && strncmp(value, usual, (size_t)length) == 0) {
            kept++;
            value += length + (value[length] == ',');
        } else {
            text_add(&text, "%s%.*s", dropped++ > 0 ? "," : "-", length, usual);
        }
    }
    if (*value == '\0' && dropped > 0 && dropped < kept)
        return text_take(&text);
    buffer_clear(&text);
    return NULL;
}

/* "+NAME,..." where the value is ssh's own list and more behind it, "-NAME,..." where it is ssh's
 * own list with less: with both ssh still puts the types of known keys first. */
static char *host_key_algorithms(const struct ssh_scene *scene, const char *value)
{
    const char *usual = scene->usual ? ssh_answer_value(scene->usual, scene->keyword) : NULL;
    size_t length = usual ? strlen(usual) : 0;
    char *without = usual ? left_out(usual, value) : NULL;

    if (without)
        return without;
    if (usual && strncmp(value, usual, length) == 0 && value[length] == ',')
        return mem_printf("+%s", value + length + 1);
    return algorithms(scene, value);
}

static char *family(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return strcasecmp(value, "any") == 0 ? NULL : mem_strdup(value);
}

/* ConnectionAttempts. (ssh refuses a smaller number than 1 when it connects.) */
static char *attempts(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return strcmp(value, "1") == 0 ? NULL : mem_strdup(value);
}

/* WarnWeakCrypto (OpenSSH 10.1): "yes" is the default of both programs; ssh -G prints no-pq-kex as
 * "no". */
static char *weak_crypto(const struct ssh_scene *scene, const char *value)
{
    (void)scene;
    return strcasecmp(value, "no") == 0 || strcasecmp(value, "no-pq-kex") == 0 ? mem_strdup("no")
                                                                               : NULL;
}

/* TCPKeepAlive: "yes" is the default of both programs. */
static char *unless_yes(const struct ssh_scene *scene, const char *value)
{
    return ssh_word_is_yes(value) ? NULL : yes_no(scene, value);
}

/* IPQoS. Of two classes ssh gives the first to a connection without a terminal or a command (until
 * OpenSSH 10.1). What ssh sets unasked is not taken over: it is meant for a terminal. */
static char *service(const struct ssh_scene *scene, const char *value)
{
    const char *usual = scene->usual ? ssh_answer_value(scene->usual, scene->keyword) : NULL;

    return usual && strcmp(usual, value) == 0 ? NULL : mem_strndup(value, strcspn(value, " \t"));
}

static const struct meaning {
    const char *keyword;
    const char *key;
    ssh_value_fn *value;
} meanings[] = {
    {"user", "user", as_is},
    {"port", "port", as_is},
    {"proxyjump", "jump", expanded},
    {"proxycommand", "proxy_command", command},
    {"addressfamily", "address_family", family},
    {"bindaddress", "bind_address", as_is},
    {"bindinterface", "bind_interface", as_is},
    {"tcpkeepalive", "tcp_keepalive", unless_yes},
    {"ipqos", "ip_qos", service},
    {"connectionattempts", "connection_attempts", attempts},
    {"identityfile", "identity", ssh_value_identity_files},
    {"certificatefile", "certificate", ssh_value_key_files},
    {"identityagent", "agent", ssh_value_agent_wanted},
    {"identityagent", "identity_agent", ssh_value_agent_socket},
    {"identitiesonly", "identities_only", yes_no},
    {"batchmode", "batch_mode", yes_no},
    {"numberofpasswordprompts", "password_prompts", prompts},
    {"pubkeyauthentication", "pubkey_authentication", pubkey},
    {"passwordauthentication", "password_authentication", yes_no},
    {"kbdinteractiveauthentication", "kbd_interactive_authentication", yes_no},
    {"preferredauthentications", "preferred_authentications", methods},
    {"stricthostkeychecking", "host_key", host_key},
    {"hostkeyalias", "host_key_alias", as_is},
    {"userknownhostsfile", "known_hosts", ssh_value_known_hosts},
    {"knownhostscommand", "known_hosts_command", ssh_value_known_hosts_command},
    {"hashknownhosts", "hash_known_hosts", yes_no},
    {"nohostauthenticationforlocalhost", "no_host_authentication_for_localhost", yes_no},
    {"requiredrsasize", "required_rsa_size", rsa_size},
    {"revokedhostkeys", "revoked_host_keys", ssh_value_revoked_host_keys},
    {"serveraliveinterval", "keepalive", interval},
    {"serveralivecountmax", "keepalive_max", keepalive_max},
    {"connecttimeout", "connect_timeout", seconds},
    {"permitremoteopen", "permit_remote_open", patterns},
    {"exitonforwardfailure", "exit_on_forward_failure", yes_no},
    {"ciphers", "ciphers", algorithms},
    {"kexalgorithms", "kex", algorithms},
    {"warnweakcrypto", "post_quantum", weak_crypto},
    {"macs", "macs", algorithms},
    {"hostkeyalgorithms", "host_key_algorithms", host_key_algorithms},
    {"pubkeyacceptedalgorithms", "public_key_algorithms", algorithms},
    {"compression", "compression", compression},
    {"rekeylimit", "rekey", rekey},
    {"rekeylimit", "rekey_time", rekey_time},
};

static void tell_undone(void *arg, const char *text, const char *by_ssh)
{
    const struct ssh_scene *scene = arg;
    const struct ssh_meaning *meaning = scene->meaning;

    char *remark;

    if (!by_ssh || !meaning->by_ssh) {
        ssh_scene_remark(scene, "%s", text);
        return;
    }
    remark = mem_printf("%s: %s", scene->tokens.host, text);
    meaning->by_ssh(meaning->arg, by_ssh, remark);
    free(remark);
}

void ssh_answer_tell(const struct ssh_answer *answer, const struct ssh_answer *usual,
                     const char *host, const struct ssh_meaning *meaning)
{
    struct ssh_scene scene = {.answer = answer,
                              .usual = usual,
                              .meaning = meaning,
                              .tokens = ssh_answer_tokens(answer, host)};

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const char *value = ssh_answer_value(answer, meanings[i].keyword);
        scene.keyword = meanings[i].keyword;
        char *text = value ? meanings[i].value(&scene, value) : NULL;
        if (text)
            meaning->setting(meaning->arg, meanings[i].key, text);
        free(text);
    }
    ssh_undone_each(answer, usual, tell_undone, &scene);
}
