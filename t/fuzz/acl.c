/* Fuzzes one rule: the first line is the rule's words, the second, if there is one, a host to ask
 * for. */
#include "policy/acl.h"

#include "base/hostport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ERROR_MAX 128

/* A list of the one rule; NULL if it is refused, then with a message and nothing left behind. */
static struct acl *acl_of(bool allow, const char *words)
{
    struct acl *acl = acl_new();
    char error[ERROR_MAX];

    memset(error, 'x', sizeof(error));
    if (acl_add(acl, &(struct acl_words){allow, words, 1}, error, sizeof(error)) == 0)
        return acl;
    assert(memchr(error, '\0', sizeof(error)) && error[0] != '\0');
    assert(!acl_rule_at(acl, 0));
    acl_free(acl);
    return NULL;
}

static bool matches(const struct acl *acl, const struct acl_query *query, bool allow)
{
    struct acl_verdict verdict = acl_decide(acl, query);

    assert(verdict.allow == (verdict.rule && allow));
    assert(!verdict.via || verdict.allow);
    return verdict.rule != NULL;
}

/* Whether the host leads to this machine itself: what denies loopback denies it, too, and an allow
 * rule has to name it. */
static bool is_self(const char *host)
{
    struct ip ip;

    return ip_parse_loose(host, &ip) && ip_is_unspecified(&ip);
}

/* Asks both lists the same of many kinds; they must agree, but where one denies more. */
static void agree(const struct acl *a, bool a_allow, const struct acl *b, bool b_allow,
                  const char *host)
{
    static const char *const sources[] = {"127.0.0.1", "192.0.2.1", "2001:db8::1", NULL};
    static const char *const addresses[] = {"10.0.0.1", "::1", NULL};
    static const char *const names[] = {"alice", "main", "", NULL};
    static const uint16_t ports[] = {1, 80, 443, 8080, 65535};
    struct ip from;
    struct ip ip;

    for (size_t i = 0; i < COUNT(sources) * COUNT(addresses) * COUNT(names) * COUNT(ports); i++) {
        size_t rest = i;
        const char *source = sources[rest % COUNT(sources)];
        const char *address = addresses[(rest /= COUNT(sources)) % COUNT(addresses)];
        const char *name = names[(rest /= COUNT(addresses)) % COUNT(names)];
        uint16_t port = ports[(rest /= COUNT(names)) % COUNT(ports)];
        struct acl_query query = {
            .from = source && ip_parse(source, &from) ? &from : NULL,
            .user = name,
            .listen = name,
            .host = host,
            .ip = address && ip_parse(address, &ip) ? &ip : NULL,
            .port = port,
        };
        bool by_a = matches(a, &query, a_allow);
        bool by_b = matches(b, &query, b_allow);
        assert(by_a == by_b || (by_b && a_allow && !b_allow && is_self(host)));
    }
}

/* What the rule says of itself must read back to the same rule. */
static void check_text(const struct acl *acl, const char *host)
{
    static const char prefix[] = "allow = ";
    const char *text = acl_rule_text(acl_rule_at(acl, 0));

    assert(strncmp(text, prefix, strlen(prefix)) == 0);
    struct acl *again = acl_of(true, text + strlen(prefix));
    assert(again);
    assert(strcmp(acl_rule_text(acl_rule_at(again, 0)), text) == 0);
    assert(acl_has_networks(again) == acl_has_networks(acl));
    assert(acl_narrows(again, "main") == acl_narrows(acl, "main"));
    agree(acl, true, again, true, host);
    acl_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *words = strndup(size ? (const char *)data : "", size);
    char *second = strchr(words, '\n');
    char host[HOST_MAX + 1] = "www.example.com";

    if (second) {
        *second++ = '\0';
        second[strcspn(second, "\n")] = '\0';
        if (strlen(second) <= HOST_MAX)
            strcpy(host, second);
    }
    host_normalise(host);

    struct acl *allow = acl_of(true, words);
    struct acl *deny = acl_of(false, words);
    assert(allow || !deny);
    if (allow)
        check_text(allow, host);
    if (deny)
        agree(allow, true, deny, false, host);
    acl_free(allow);
    acl_free(deny);
    free(words);
    return 0;
}
