/* The lists of algorithms that a session offers, in the order of preference. */
#include "base/mem.h"
#include "session/post_quantum.h"
#include "session_libssh/handshake.h"
#include "session_libssh/integrity.h"

#include <fnmatch.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* AES-GCM in hardware is twice as fast as the other ciphers; without hardware ChaCha20 is the
 * fastest. */
static bool processor_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

#define CIPHERS_GCM "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define GCM_PATTERN "*-gcm@openssh.com"
#define CIPHERS_CHACHA "chacha20-poly1305@openssh.com"
#define CIPHERS_CTR "aes128-ctr,aes192-ctr,aes256-ctr"

static const char *default_ciphers(void)
{
    return processor_has_aes() ? CIPHERS_GCM "," CIPHERS_CHACHA "," CIPHERS_CTR
                               : CIPHERS_CHACHA "," CIPHERS_GCM "," CIPHERS_CTR;
}

#define SIGNATURES                                                                                 \
    "ssh-ed25519,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,"                     \
    "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"

/* One list: the key that configures it, the defaults, of which libssh drops the names that it does
 * not know, and the options of libssh that take it. */
struct list {
    const char *key;
    size_t field; /* of struct config_upstream */
    enum ssh_options_e options[2];
    int option_count;
    const char *defaults; /* NULL: default_ciphers() */
    const char *never;    /* patterns of names that libssh knows but cannot use here */
};

#define FIELD(name) #name, offsetof(struct config_upstream, name)

#define PUBLIC_KEY_ALGORITHMS 4 /* the place in `lists` */

static const struct list lists[] = {
    {FIELD(ciphers), {SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C}, 2, NULL, ""},
    {FIELD(kex),
     {SSH_OPTIONS_KEY_EXCHANGE},
     1,
     POST_QUANTUM_KEX ","
                      "curve25519-sha256,curve25519-sha256@libssh.org,"
                      "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
                      "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"
                      "diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256",
     ""},
    {FIELD(macs),
     {SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C},
     2,
     "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,"
     "hmac-sha1-etm@openssh.com,hmac-sha1",
     ""},
    {FIELD(host_key_algorithms),
     {SSH_OPTIONS_HOSTKEYS},
     1,
     SIGNATURES,
     "*-cert-v01@openssh.com,sk-*"},
    [PUBLIC_KEY_ALGORITHMS] =
        {FIELD(public_key_algorithms),
         {SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES},
         1,
         "ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,"
         "ecdsa-sha2-nistp521-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,"
         "ecdsa-sha2-nistp256-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,"
         "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com," SIGNATURES,
         ""},
};

/* Calls `each` for every name of a comma list; it may change the name. */
static void each_name(const char *text, void (*each)(void *arg, char *name), void *arg)
{
    char *copy = mem_strdup(text);
    char *rest = copy;
    char *name;

    while ((name = strsep(&rest, ",")) != NULL)
        if (*name != '\0')
            each(arg, name);
    free(copy);
}

struct selection {
    char *text;           /* the names so far, with commas; NULL: none */
    const char *patterns; /* those that match are left out */
    bool excluded;        /* the name at hand is */
    const char *name;
};

static void exclude(void *arg, char *pattern)
{
    struct selection *s = arg;

    s->excluded = s->excluded || fnmatch(pattern, s->name, 0) == 0;
}

static void select_name(void *arg, char *name)
{
    struct selection *s = arg;
    char *before = s->text;

    s->name = name;
    s->excluded = false;
    each_name(s->patterns, exclude, s);
    if (s->excluded)
        return;
    s->text = before != NULL ? mem_printf("%s,%s", before, name) : mem_strdup(name);
    free(before);
}

/* The names of `a` and then `b` without those that a pattern matches; the caller frees; NULL: none.
 */
static char *join_names(const char *a, const char *b, const char *without)
{
    struct selection s = {.patterns = without};

    each_name(a, select_name, &s);
    each_name(b, select_name, &s);
    return s.text;
}

char *algorithms_resolve(const char *value, const char *ours, const char *never)
{
    char *rest;
    char *all;

    switch (*value) {
    case '+': return join_names(ours, value + 1, never);
    case '-':
    case '^': break;
    default: return join_names(value, "", never);
    }
    rest = join_names(ours, "", value + 1);
    all = join_names(*value == '^' ? value + 1 : "", rest != NULL ? rest : "", never);
    free(rest);
    return all;
}

/* The names of a list that this libssh does not know. (It drops them without a word in its log.) */
struct unknown {
    ssh_session probe;
    enum ssh_options_e option;
    char *text; /* NULL: nothing */
};

static void try_name(void *arg, char *name)
{
    struct unknown *u = arg;
    char *before = u->text;

    if (ssh_options_set(u->probe, u->option, name) == 0)
        return;
    u->text = before != NULL ? mem_printf("%s, %s", before, name) : mem_strdup(name);
    free(before);
}

static void log_unknown(const struct handshake *h, const struct list *list, const char *text)
{
    struct unknown u = {.option = list->options[0]};

    if (!log_wants(ADIT_LOG_DEBUG) || (u.probe = ssh_new()) == NULL)
        return;
    each_name(text, try_name, &u);
    if (u.text != NULL)
        log_debug("upstream %s: login at %s: %s: libssh does not know %s", h->upstream->name,
                  h->host, list->key, u.text);
    free(u.text);
    ssh_free(u.probe);
}

bool algorithms_follow_known_hosts(const struct config_upstream *upstream)
{
    const char *configured = upstream->host_key_algorithms;

    return configured == NULL || *configured == '+' || *configured == '-';
}

/* Puts algorithms first whose type of key is known, as ssh(1) does, unless the list is configured
 * in whole. */
static char *prefer_known(struct handshake *h, char *text)
{
    char *ordered;

    if (!algorithms_follow_known_hosts(h->upstream))
        return text;
    ordered = login_order(h, text);
    if (ordered == NULL)
        return text;
    free(text);
    return ordered;
}

static const char *configured_list(const struct config_upstream *upstream, const struct list *list)
{
    return *(char *const *)((const char *)upstream + list->field);
}

static bool set(struct handshake *h, const struct list *list)
{
    const char *configured = configured_list(h->upstream, list);
    const char *ours = list->defaults != NULL ? list->defaults : default_ciphers();
    char *never = mem_printf("%s,%s", list->never, integrity_gcm_allowed() ? "" : GCM_PATTERN);
    char *text = algorithms_resolve(configured != NULL ? configured : ours, ours, never);
    bool ok = text != NULL;

    if (configured != NULL && text != NULL)
        log_unknown(h, list, text);
    if (text != NULL && list->options[0] == SSH_OPTIONS_HOSTKEYS)
        text = prefer_known(h, text);
    for (int i = 0; ok && i < list->option_count; i++)
        ok = ssh_options_set(h->handle, list->options[i], text) == 0;
    if (!ok)
        handshake_fail(h, DIAL_TRANSPORT, "%s \"%s\": libssh knows none of them", list->key,
                       configured != NULL ? configured : ours);
    free(never);
    free(text);
    return ok;
}

/* (libssh drops the names of a list that it does not know, and fails if none is left.) */
bool algorithms_are_post_quantum(void)
{
    ssh_session handle = ssh_new();
    bool known =
        handle != NULL && ssh_options_set(handle, SSH_OPTIONS_KEY_EXCHANGE, POST_QUANTUM_KEX) == 0;

    ssh_free(handle);
    return known;
}

#define CERTIFICATE_SUFFIX "-cert-v01@openssh.com"

static void keep_for_certificates(void *arg, char *name)
{
    static const char rsa[] = "rsa-sha2-";
    struct selection *s = arg;
    char *suffix = strstr(name, CERTIFICATE_SUFFIX);

    if (suffix == NULL)
        return;
    select_name(s, name);
    *suffix = '\0';
    if (strncmp(name, rsa, sizeof(rsa) - 1) == 0)
        select_name(s, name);
}

char *algorithms_for_certificates(const char *names)
{
    struct selection s = {.patterns = ""};

    each_name(names, keep_for_certificates, &s);
    return s.text;
}

void algorithms_set_signatures(struct handshake *h, bool certificate)
{
    const struct list *list = &lists[PUBLIC_KEY_ALGORITHMS];
    const char *configured = h->upstream->public_key_algorithms;

    /* (The list may be libssh's own reading of ssh_config; the usual one has both names.) */
    if (configured == NULL && h->upstream->libssh_config)
        return;
    char *all = algorithms_resolve(configured != NULL ? configured : list->defaults, list->defaults,
                                   list->never);
    char *some = certificate && all != NULL ? algorithms_for_certificates(all) : NULL;

    if (all != NULL)
        ssh_options_set(h->handle, list->options[0], some != NULL ? some : all);
    free(some);
    free(all);
}

bool algorithms_set(struct handshake *h, bool configured)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if ((configured_list(h->upstream, &lists[i]) != NULL) == configured && !set(h, &lists[i]))
            return false;
    return true;
}

/* Whether libssh knows an algorithm of a list that is configured. */
static bool is_known(const struct list *list, const char *configured)
{
    const char *ours = list->defaults != NULL ? list->defaults : default_ciphers();
    char *text = algorithms_resolve(configured, ours, list->never);
    ssh_session probe = ssh_new();
    bool known =
        probe == NULL || (text != NULL && ssh_options_set(probe, list->options[0], text) == 0);

    ssh_free(probe);
    free(text);
    return known;
}

char *algorithms_check(const struct config_upstream *upstream)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *configured = configured_list(upstream, &lists[i]);
        if (configured != NULL && !is_known(&lists[i], configured))
            return mem_printf("%s \"%s\": libssh knows none of them", lists[i].key, configured);
    }
    return NULL;
}
