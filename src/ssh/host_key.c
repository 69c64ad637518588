/* The server's key against what is known of it. */
#include "base/hostport.h"
#include "base/mem.h"
#include "ssh/handshake.h"
#include "ssh/known_hosts.h"
#include "ssh/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The question about one key. */
struct question {
    struct handshake *h;
    ssh_key key;
    char *fingerprint;
    const char *kind; /* "ED25519" */
    char *memory;     /* what the answer is kept by */
    /* What known_hosts says besides. */
    char *revoked;        /* "FILE:LINE" of a line that revokes it */
    char *authority;      /* of a line that names a certificate authority for the host */
    char *other_key;      /* of a line with another key for the host */
    char *other_print;    /* that key's fingerprint */
    bool other_same_kind; /* and whether it is of the same type */
    char *other_names;    /* lines "    FILE:LINE: NAMES" where the same key is another host's */
};

static char *place(const struct known_line *line)
{
    return mem_printf("%s:%u", line->file, line->number);
}

/* A line with a key of the same type is what a person wants to see first. */
static void consider_other(struct question *q, const struct known_line *line)
{
    bool same_kind = ssh_key_type(line->key) == ssh_key_type(q->key);

    if (q->other_key != NULL && (q->other_same_kind || !same_kind))
        return;
    free(q->other_key);
    ssh_string_free_char(q->other_print);
    q->other_key = place(line);
    q->other_print = key_fingerprint(line->key);
    q->other_same_kind = same_kind;
}

static void see_line_of_host(void *arg, const struct known_line *line)
{
    struct question *q = arg;
    bool same = ssh_key_cmp(line->key, q->key, SSH_KEY_CMP_PUBLIC) == 0;

    if (line->marker == KNOWN_REVOKED && same && q->revoked == NULL)
        q->revoked = place(line);
    else if (line->marker == KNOWN_AUTHORITY && q->authority == NULL)
        q->authority = place(line);
    else if (line->marker == KNOWN_PLAIN && !same)
        consider_other(q, line);
}

static void see_any_line(void *arg, const struct known_line *line)
{
    struct question *q = arg;
    char *before = q->other_names;

    if (line->marker != KNOWN_PLAIN || ssh_key_cmp(line->key, q->key, SSH_KEY_CMP_PUBLIC) != 0)
        return;
    q->other_names =
        mem_printf("%s    %s:%u: %s\n", before != NULL ? before : "", line->file, line->number,
                   line->names[0] == '|' ? "[hashed name]" : line->names);
    free(before);
}

static enum dial_status verify_pins(struct question *q)
{
    const struct string_list *pins = &q->h->upstream->host_key_pins;

    for (size_t i = 0; i < pins->count; i++)
        if (strcmp(pins->items[i], q->fingerprint) == 0)
            return DIAL_OK;
    return handshake_fail(q->h, DIAL_HOST_KEY,
                          "host key %s of %s is not among those that host_key names (%s%s)",
                          q->fingerprint, q->h->host, pins->count > 0 ? pins->items[0] : "none",
                          pins->count > 1 ? ", ..." : "");
}

/* The key on file is another one: name both, and where the old one stands. (ssh(1) with
 * StrictHostKeyChecking=no goes on with such a key, but forwards nothing: here that is the same.)
 */
static enum dial_status fail_changed(struct question *q)
{
    return handshake_fail(
        q->h, DIAL_HOST_KEY,
        "host key of %s has changed: the server offers %s, but %s has %s; if the change is "
        "meant, remove that line, else somebody may be listening in",
        q->h->host, q->fingerprint, q->other_key != NULL ? q->other_key : "known_hosts",
        q->other_print != NULL ? q->other_print : "another one");
}

static enum dial_status fail_unknown(struct question *q, const char *why)
{
    return handshake_fail(q->h, DIAL_HOST_KEY,
                          "Host key verification failed: the %s key %s of %s is not known%s%s; "
                          "compare it with the server's and add it to known_hosts, or pin it with "
                          "host_key%s%s%s%s",
                          q->kind, q->fingerprint, q->h->host, why != NULL ? ", and " : "",
                          why != NULL ? why : "",
                          q->authority != NULL ? " (the certificate authority of " : "",
                          q->authority != NULL ? q->authority : "",
                          q->authority != NULL ? " does not count: host certificates are not "
                                                 "supported"
                                               : "",
                          q->authority != NULL ? ")" : "");
}

/* Writes it down. Where that fails the answer still holds for this process, as ssh(1) goes on too.
 */
static void store(struct question *q)
{
    char *told = mem_printf("Permanently added '%s' (%s) to the list of known hosts.",
                            q->h->known_as, q->kind);
    char *warning = mem_printf("Warning: %s\n", told);

    secrets_keep(q->memory, q->fingerprint);
    if (ssh_session_update_known_hosts(q->h->handle) == SSH_OK) {
        log_info("%s: key %s: %s", q->h->host, q->fingerprint, told);
        ask_tell(&q->h->asker, warning);
    } else {
        log_warning("%s: host key %s cannot be stored: %s", q->h->host, q->fingerprint,
                    ssh_get_error(q->h->handle));
    }
    free(warning);
    free(told);
}

/* yes, no, the fingerprint: as ssh(1) takes them. -1: something else. */
static int understand(const struct question *q, const char *answer)
{
    char word[128];

    answer += strspn(answer, " \t");
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(answer, " \t"), answer);
    if (word[0] == '\0' || strcasecmp(word, "no") == 0)
        return 0;
    return strcasecmp(word, "yes") == 0 || strcmp(word, q->fingerprint) == 0 ? 1 : -1;
}

static bool ask_yes(struct question *q, const char *prompt)
{
    int understood = -1;

    while (understood < 0) {
        char *answer = ask(&q->h->asker, prompt, true);
        if (answer == NULL)
            return false;
        understood = understand(q, answer);
        secret_free(answer); /* a program may have said a password */
        if (understood < 0 && ask_is_program(&q->h->asker))
            return false; /* it would say the same again */
        prompt = "Please type 'yes', 'no' or the fingerprint: ";
    }
    return understood == 1;
}

/* "HOST (ADDRESS)" as ssh(1) calls the server. */
static char *server_name(const struct handshake *h)
{
    char address[HOSTPORT_TEXT_MAX];

    if (!handshake_peer(h, address))
        snprintf(address, sizeof(address), "<no hostip for proxy command>");
    return mem_printf("%s (%s)", h->known_as, address);
}

static enum dial_status ask_person(struct question *q)
{
    struct asker *asker = &q->h->asker;
    char *server;
    char *prompt;
    bool yes;

    if (!ask_begin(asker))
        return fail_unknown(q, asker->missing);
    server = server_name(q->h);
    prompt = mem_printf(
        "The authenticity of host '%s' can't be established%s.\n"
        "%s key fingerprint is %s.\n%s%s"
        "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
        server,
        q->other_key != NULL ? "\nbut keys of different type are already known for this host" : "",
        q->kind, q->fingerprint,
        q->other_names != NULL ? "This host key is known by the following other names/addresses:\n"
                               : "This key is not known by any other names.\n",
        q->other_names != NULL ? q->other_names : "");
    yes = ask_yes(q, prompt);
    if (yes)
        store(q);
    ask_end(asker);
    free(prompt);
    free(server);
    return yes ? DIAL_OK : fail_unknown(q, "it was not accepted");
}

/* A key of a host that none is known of. */
static enum dial_status decide_unknown(struct question *q)
{
    char *accepted = secrets_get(q->memory);
    bool same = accepted != NULL && strcmp(accepted, q->fingerprint) == 0;

    secret_free(accepted);
    if (same)
        return DIAL_OK;
    switch (q->h->upstream->host_key) {
    case HOST_KEY_ACCEPT_NEW:
    case HOST_KEY_ANY: store(q); return DIAL_OK;
    case HOST_KEY_ASK:
        known_hosts_each(&q->h->upstream->known_hosts, NULL, see_any_line, q);
        return ask_person(q);
    case HOST_KEY_STRICT:
    case HOST_KEY_PINNED: break;
    }
    return fail_unknown(q, NULL);
}

static enum dial_status verify_known(struct question *q)
{
    switch (ssh_session_is_known_server(q->h->handle)) {
    case SSH_KNOWN_HOSTS_OK: return DIAL_OK;
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN: return decide_unknown(q);
    case SSH_KNOWN_HOSTS_OTHER: /* a key of another type is known: an attacker would offer just that
                                 */
    case SSH_KNOWN_HOSTS_CHANGED: return fail_changed(q);
    case SSH_KNOWN_HOSTS_ERROR: break;
    }
    return handshake_fail(q->h, DIAL_HOST_KEY, "known_hosts cannot be read: %s",
                          ssh_get_error(q->h->handle));
}

static enum dial_status verify(struct question *q)
{
    known_hosts_each(&q->h->upstream->known_hosts, q->h->known_as, see_line_of_host, q);
    if (q->revoked != NULL)
        return handshake_fail(q->h, DIAL_HOST_KEY,
                              "host key %s of %s is REVOKED by %s: do not trust this server",
                              q->fingerprint, q->h->host, q->revoked);
    return q->h->upstream->host_key == HOST_KEY_PINNED ? verify_pins(q) : verify_known(q);
}

static void question_clear(struct question *q)
{
    ssh_key_free(q->key);
    ssh_string_free_char(q->fingerprint);
    ssh_string_free_char(q->other_print);
    free(q->memory);
    free(q->revoked);
    free(q->authority);
    free(q->other_key);
    free(q->other_names);
}

enum dial_status host_key_verify(struct handshake *h)
{
    const struct string_list *files = &h->upstream->known_hosts;
    /* (What one upstream takes on trust is no word to another that is stricter, or that writes
     * elsewhere.) */
    struct question q = {
        .h = h,
        .memory = mem_printf("host key of %s in %s by %d", h->known_as,
                             files->count > 0 ? files->items[0] : "/dev/null",
                             (int)h->upstream->host_key),
    };
    enum dial_status status;

    if (ssh_get_server_publickey(h->handle, &q.key) == SSH_OK)
        q.fingerprint = key_fingerprint(q.key);
    if (q.fingerprint == NULL) {
        status = handshake_fail(h, DIAL_HOST_KEY, "the server's host key cannot be read");
    } else {
        q.kind = key_kind(q.key);
        snprintf(h->info.host_key, sizeof(h->info.host_key), "%s %s",
                 ssh_key_type_to_char(ssh_key_type(q.key)), q.fingerprint);
        status = verify(&q);
    }
    question_clear(&q);
    return status;
}
