/* The hosts that SRV records name. */
#include "policy/targets.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 63

/* RFC 1035 section 2.3.4: 255 bytes on the wire. */
#define NAME_MAX_TEXT 253

/* (By the bytes, not isalnum(3): a name means the same in every locale.) */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A label of `length` bytes. */
static const char *label_wrong(const char *label, size_t length)
{
    if (length == 0)
        return "a part of it between dots is empty";
    if (length > LABEL_MAX)
        return "a part of it between dots is longer than 63 characters";
    if (label[0] == '-' || label[length - 1] == '-')
        return "a part of it between dots begins or ends with '-'";
    for (size_t i = 0; i < length; i++)
        if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-' && label[i] != '_')
            return "it has a character that is no letter, digit, '-' or '_'";
    return NULL;
}

static const char *labels_wrong(const char *name)
{
    const char *wrong = NULL;

    if (*name == '\0')
        return "it is empty";
    if (strlen(name) > NAME_MAX_TEXT)
        return "it is longer than 253 characters";
    for (const char *label = name; wrong == NULL; label = strchr(label, '.') + 1) {
        size_t length = strcspn(label, ".");
        wrong = label_wrong(label, length);
        if (label[length] == '\0')
            break;
    }
    return wrong;
}

const char *target_name_wrong(const char *name)
{
    const char *wrong = labels_wrong(name);
    const char *last = strrchr(name, '.');

    if (wrong != NULL)
        return wrong;
    last = last != NULL ? last + 1 : name;
    /* (No top-level domain is a number, and "10.1" is an address to some.) */
    return last[strspn(last, "0123456789")] == '\0' ? "it is an address, not a name" : NULL;
}

const char *target_wrong(const struct target *target)
{
    /* (RFC 2782 has the root alone, or not at all.) */
    return target->name[0] == '\0' ? "it stands beside others"
           : target->port == 0     ? "its port is 0"
                                   : target_name_wrong(target->name);
}

const char *target_service_wrong(const char *name)
{
    const char *proto = strchr(name, '.');
    const char *wrong = labels_wrong(name);

    if (wrong != NULL)
        return wrong;
    if (name[0] != '_' || proto == NULL || proto[1] != '_' || strchr(proto + 1, '.') == NULL)
        return "it does not begin with _SERVICE._PROTO. and a name";
    return NULL;
}

bool targets_say_none(const struct target *targets, size_t count)
{
    return count == 1 && targets[0].name[0] == '\0';
}

static int compare_places(const void *a, const void *b)
{
    const struct target *one = a;
    const struct target *other = b;
    int names = strcmp(one->name, other->name);

    return names != 0 ? names : one->port - other->port;
}

static int compare_order(const void *a, const void *b)
{
    const struct target *one = a;
    const struct target *other = b;

    if (one->priority != other->priority)
        return one->priority - other->priority;
    if (one->weight != other->weight)
        return other->weight - one->weight;
    return compare_places(a, b);
}

size_t targets_order(struct target *targets, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        host_normalise(targets[i].name);
    if (count > 0)
        qsort(targets, count, sizeof(*targets), compare_order);
    for (size_t i = 0; i < count && kept < TARGETS_MAX; i++)
        if (targets_find(targets, kept, targets[i].name, targets[i].port) == NULL)
            targets[kept++] = targets[i];
    return kept;
}

bool targets_equal(const struct target *a, size_t a_count, const struct target *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (compare_order(&a[i], &b[i]) != 0)
            return false;
    return true;
}

const struct target *targets_find(const struct target *targets, size_t count, const char *name,
                                  uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].port == port && strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

uint64_t targets_ttl_ms(uint32_t ttl)
{
    uint64_t milliseconds = (uint64_t)ttl * 1000;

    /* (RFC 2181 section 8: a TTL with the highest bit set is 0.) */
    if (ttl > INT32_MAX)
        milliseconds = 0;
    return milliseconds < TARGETS_TTL_MIN_MS   ? TARGETS_TTL_MIN_MS
           : milliseconds > TARGETS_TTL_MAX_MS ? TARGETS_TTL_MAX_MS
                                               : milliseconds;
}

uint64_t target_share(uint16_t weight)
{
    return weight == 0 ? 1 : (uint64_t)weight * 100;
}
