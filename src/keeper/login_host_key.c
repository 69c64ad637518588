/* Verifying the host key: revocations, pins, known_hosts, and the question to a person. */
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "keeper/host_key_command.h"
#include "keeper/login.h"
#include "keeper/revoked_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SSH_PORT 22

/* The question about one key. */
struct host_key_question {
    struct login *l;
    struct public_key key;
    char *fingerprint;
    const char *kind; /* "ED25519" */
    char *memory;     /* the key of base/secrets.h for the answer */
    struct known_hosts known;
    struct known_hosts_answer answer;
};

struct known_hosts login_known_hosts(const struct login *l)
{
    bool printed = l->files.known != NULL && l->files.known[l->files.known_count].path != NULL;

    return (struct known_hosts){.files = l->files.known,
                                .file_count = l->files.known_count + (printed ? 1 : 0),
                                .name = l->known_as,
                                .name_without_port = l->without_port};
}

static enum login_result verify_pins(struct host_key_question *q)
{
    const struct string_list *pins = &q->l->upstream->host_key_pins;

    for (size_t i = 0; i < pins->count; i++)
        if (strcmp(pins->items[i], q->fingerprint) == 0)
            return login_accept_key(q->l, "pinned by host_key");
    return login_fail(q->l, LOGIN_BAD_HOST_KEY,
                      "host key %s of %s is not among those that host_key names (%s%s)",
                      q->fingerprint, q->l->host.name, pins->count > 0 ? pins->items[0] : "none",
                      pins->count > 1 ? ", ..." : "");
}

/* Fails with both fingerprints, and the line of the known key. (ssh(1) with
 * StrictHostKeyChecking=no goes on with such a key, but forwards nothing: here that is the same.)
 */
static enum login_result fail_changed(struct host_key_question *q)
{
    const char *colon = strrchr(q->answer.place, ':'); /* "FILE:LINE" */

    if (q->answer.is_printed)
        return login_fail(
            q->l, LOGIN_BAD_HOST_KEY,
            "host key of %s has changed: the server offers %s, but %s says that it is %s; if the "
            "change is meant, correct what that program prints, else somebody may be listening in",
            q->l->host.name, q->fingerprint, q->answer.place, q->answer.other_fingerprint);
    return login_fail(
        q->l, LOGIN_BAD_HOST_KEY,
        "host key of %s has changed: the server offers %s, but %s has %s; if the change is "
        "meant, `ssh-keygen -f '%.*s' -R '%s'` removes that line, else somebody may be listening "
        "in",
        q->l->host.name, q->fingerprint, q->answer.place, q->answer.other_fingerprint,
        (int)(colon != NULL ? colon - q->answer.place : 0), q->answer.place, q->l->known_as);
}

static enum login_result fail_unknown(struct host_key_question *q, const char *why)
{
    return login_fail(
        q->l, LOGIN_BAD_HOST_KEY,
        "Host key verification failed: the %s key %s of %s is not known%s%s; "
        "compare it with the server's, then accept it once by host_key = accept-new (-o "
        "StrictHostKeyChecking=accept-new), or pin it by host_key = %s%s%s%s%s",
        q->kind, q->fingerprint, q->l->host.name, why != NULL ? ", and " : "",
        why != NULL ? why : "", q->fingerprint,
        q->answer.authority != NULL ? " (the certificate authority of " : "",
        q->answer.authority != NULL ? q->answer.authority : "",
        q->answer.authority != NULL ? " does not count: host certificates are not "
                                      "supported"
                                    : "",
        q->answer.authority != NULL ? ")" : "");
}

/* Stores the key. Where that fails the answer still holds for this process, as ssh(1) goes on too.
 * But what another process has written meanwhile counts; a file that cannot be read any more is a
 * failure, as it could hold that. */
static enum login_result store_key(struct host_key_question *q)
{
    struct login *l = q->l;
    const char *path = l->files.known_count > 0 ? q->known.files[0].path : "known_hosts";
    char *text_added =
        mem_printf("Permanently added '%s' (%s) to the list of known hosts.", l->known_as, q->kind);
    char *warning = mem_printf("Warning: %s\n", text_added);
    enum login_result status = LOGIN_OK;
    char error[200];

    switch (
        host_key_store(&q->known, &q->key, l->upstream->hash_known_hosts, l->asker.line, error)) {
    case HOST_KEY_STORED:
        login_accept_key(l, "new, and added to %s", path);
        log_info("%s: key %s: %s", l->host.name, q->fingerprint, text_added);
        ask_show(&l->asker, warning);
        break;
    case HOST_KEY_KNOWN_BY_NOW: login_accept_key(l, "known by %s", path); break;
    case HOST_KEY_NOT_STORED:
        login_accept_key(l, "new, and accepted until adit ends: %s: %s", path, error);
        log_warning("%s: host key %s cannot be stored in %s: %s", l->host.name, q->fingerprint,
                    path, error);
        break;
    case HOST_KEY_REFUSED_BY_NOW:
        status = login_fail(l, LOGIN_BAD_HOST_KEY, "host key %s of %s is not accepted: %s",
                            q->fingerprint, l->host.name, error);
        break;
    case HOST_KEY_UNREADABLE:
        status = login_fail(l, LOGIN_TRANSPORT, "the known_hosts file %s cannot be read: %s", path,
                            error);
        break;
    }
    if (status == LOGIN_OK)
        secrets_keep(q->memory, q->fingerprint);
    free(warning);
    free(text_added);
    return status;
}

/* 1 for yes or the fingerprint, 0 for no, as ssh(1) takes them; -1: the answer is something else.
 */
static int understand(const struct host_key_question *q, const char *answer)
{
    char word[128];

    answer += strspn(answer, " \t");
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(answer, " \t"), answer);
    if (word[0] == '\0' || strcasecmp(word, "no") == 0)
        return 0;
    return strcasecmp(word, "yes") == 0 || strcmp(word, q->fingerprint) == 0 ? 1 : -1;
}

static bool ask_yes(struct host_key_question *q, const char *prompt)
{
    int understood = -1;

    while (understood < 0) {
        char *answer = ask_prompt(&q->l->asker, prompt, true);
        if (answer == NULL)
            return false;
        understood = understand(q, answer);
        secret_free(answer); /* a program may have answered with a password */
        if (understood < 0 && ask_is_program(&q->l->asker))
            return false; /* the program would give the same answer again */
        prompt = "Please type 'yes', 'no' or the fingerprint: ";
    }
    return understood == 1;
}

/* "HOST (ADDRESS)" as ssh(1) calls the server. */
static char *server_name(const struct login *l)
{
    char text[IP_TEXT_MAX];

    if (!l->has_address)
        return mem_printf("%s (<no hostip for proxy command>)", l->known_as);
    ip_format(&l->address, text);
    if (l->address_port == SSH_PORT)
        return mem_printf("%s (%s)", l->known_as, text);
    return mem_printf("%s ([%s]:%u)", l->known_as, text, l->address_port);
}

static char *question_text(const struct host_key_question *q)
{
    char *server = server_name(q->l);
    char *others = known_hosts_other_names(&q->known, &q->key);
    char *text = mem_printf("The authenticity of host '%s' can't be established.\n"
                            "%s key fingerprint is %s.\n%s%s"
                            "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
                            server, q->kind, q->fingerprint,
                            others != NULL
                                ? "This host key is known by the following other names/addresses:\n"
                                : "This key is not known by any other names.\n",
                            others != NULL ? others : "");

    free(others);
    free(server);
    return text;
}

static enum login_result ask_person(struct host_key_question *q)
{
    struct asker *asker = &q->l->asker;
    enum login_result status;
    char *text;

    if (!ask_begin(asker))
        return fail_unknown(q, asker->missing);
    text = question_text(q);
    status = ask_yes(q, text) ? store_key(q) : fail_unknown(q, "it was not accepted");
    ask_end(asker);
    free(text);
    return status;
}

/* Decides about a key of a host for which no key is known. */
static enum login_result decide_unknown(struct host_key_question *q)
{
    char *accepted = secrets_get(q->memory);
    bool same = accepted != NULL && strcmp(accepted, q->fingerprint) == 0;

    secret_free(accepted);
    if (same)
        return login_accept_key(q->l, "accepted at an earlier login");
    switch (q->l->upstream->host_key) {
    case HOST_KEY_ACCEPT_NEW:
    case HOST_KEY_ANY: return store_key(q);
    case HOST_KEY_ASK: return ask_person(q);
    case HOST_KEY_STRICT:
    case HOST_KEY_PINNED: break;
    }
    return fail_unknown(q, NULL);
}

/* Revocations count for every key, also for a pinned one. */
static enum login_result verify_not_revoked(struct host_key_question *q)
{
    struct login *l = q->l;
    enum login_result status = LOGIN_OK;
    char error[700];

    if (q->answer.verdict == KNOWN_HOSTS_REVOKED)
        return login_fail(l, LOGIN_BAD_HOST_KEY,
                          "host key %s of %s is REVOKED by %s: do not trust this server",
                          q->fingerprint, l->host.name, q->answer.place);
    if (l->files.revoked.path != NULL)
        status = revoked_keys_check(&l->files.revoked, &q->key, l->asker.line, error);
    if (status != LOGIN_OK)
        login_fail(l, status, "host key %s of %s: %s", q->fingerprint, l->host.name, error);
    return status;
}

/* NoHostAuthenticationForLocalhost: by ssh_config(5) "for loopback addresses", and as ssh(1) has it
 * not where HostKeyAlias names the host. */
static bool is_exempt(const struct login *l)
{
    return l->upstream->no_host_authentication_for_localhost &&
           l->upstream->host_key_alias == NULL && l->upstream->proxy_command == NULL &&
           l->has_address && ip_is_loopback(&l->address);
}

static enum login_result verify_key(struct host_key_question *q)
{
    enum login_result status;

    /* (ssh does not ask the program about a server that it believes anyway.) */
    status = is_exempt(q->l) ? LOGIN_OK : host_key_command_run(q->l, "HOSTNAME", &q->key);
    if (status != LOGIN_OK)
        return status;
    q->known = login_known_hosts(q->l);
    known_hosts_look_up(&q->known, &q->key, &q->answer);
    status = verify_not_revoked(q);
    if (status != LOGIN_OK)
        return status;
    if (q->l->upstream->host_key == HOST_KEY_PINNED)
        return verify_pins(q);
    if (is_exempt(q->l))
        return login_accept_key(q->l, "not checked: NoHostAuthenticationForLocalhost");
    switch (q->answer.verdict) {
    case KNOWN_HOSTS_MATCH: return login_accept_key(q->l, "known by %s", q->answer.place);
    case KNOWN_HOSTS_UNKNOWN: return decide_unknown(q);
    case KNOWN_HOSTS_CHANGED:
    case KNOWN_HOSTS_REVOKED: break;
    }
    return fail_changed(q);
}

/* False: the blob is no key, or one that OpenSSH would not accept either. */
static bool read_key(struct host_key_question *q, struct span blob)
{
    bool ok =
        public_key_parse(blob.bytes, blob.length, &q->key) == PUBLIC_KEY_OK && !q->key.certificate;

    if (ok) {
        q->fingerprint = public_key_fingerprint(&q->key);
        q->kind = public_key_brief(q->key.type);
    }
    return ok;
}

static void question_clear(struct host_key_question *q)
{
    public_key_clear(&q->key);
    known_hosts_answer_clear(&q->answer);
    free(q->fingerprint);
    free(q->memory);
}

enum login_result login_host_key(struct login *l, struct span blob)
{
    const struct string_list *files = &l->upstream->known_hosts;
    /* (What one upstream accepts does not count for an upstream that is stricter, or that writes to
     * another file.) */
    struct host_key_question q = {
        .l = l,
        .memory = mem_printf("host key of %s in %s by %d", l->known_as,
                             files->count > 0 ? files->items[0] : "/dev/null",
                             (int)l->upstream->host_key),
    };
    enum login_result status =
        read_key(&q, blob)
            ? verify_key(&q)
            : login_fail(l, LOGIN_BAD_HOST_KEY, "the server's host key cannot be read");

    question_clear(&q);
    return status;
}
