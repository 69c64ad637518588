/* Forwards as ssh writes them. */
#include "conf/forward_spec.h"

#include "base/buffer.h"
#include "base/hostport.h"
#include "base/mem.h"
#include "conf/types.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

const char *const forward_kinds[] = {
    [FORWARD_LOCAL] = "local", [FORWARD_REMOTE] = "remote", [FORWARD_DYNAMIC] = "dynamic", NULL};

#define FIELDS_MAX 4

/* The longest path of a unix socket (unix(7)). */
#define PATH_MOST (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* What stands between colons. */
struct field {
    const char *text;
    bool is_path;
    bool after_blank;
};

/* A text being read. */
struct spec {
    const char *whole;                   /* for messages */
    char *copy;                          /* which the fields point into */
    struct field fields[FIELDS_MAX + 1]; /* the last is none */
    size_t count;
    bool zero_ok; /* port 0, where it is listened on */
    char *error;
    size_t error_size;
};

static const char *const forms[] = {
    [FORWARD_LOCAL] = "[BIND:]PORT:HOST:HOSTPORT, with a socket's path in place of either end",
    [FORWARD_REMOTE] = ("[BIND:]PORT:HOST:HOSTPORT or [BIND:]PORT, with a socket's path in place "
                        "of either end"),
    [FORWARD_DYNAMIC] = "[BIND:]PORT",
};

static bool spec_refuse(struct spec *spec, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool spec_refuse(struct spec *spec, const char *format, ...)
{
    va_list args;
    int length = snprintf(spec->error, spec->error_size, "'%.200s' ", spec->whole);

    va_start(args, format);
    if (length >= 0 && (size_t)length < spec->error_size)
        vsnprintf(spec->error + length, spec->error_size - (size_t)length, format, args);
    va_end(args);
    return false;
}

/* Takes the field at `*rest`, in place, and moves `*rest` to the next, or to NULL. */
static bool take_field(char **rest, struct field *field)
{
    char *from = *rest, *to = *rest;

    field->text = to;
    if (*from == '[') {
        char *close = strchr(from, ']');
        if (!close || !strchr(": \t", close[1]))
            return false;
        field->text = from + 1;
        from = close + 1;
        to = close;
    } else {
        for (; *from && !strchr(": \t", *from); from++) {
            if (*from == '\\' && *++from == '\0')
                return false;
            *to++ = *from;
        }
    }
    size_t blanks = strspn(from, " \t");
    bool last = from[blanks] == '\0';
    field[1].after_blank = blanks > 0;
    from += blanks > 0 ? blanks : !last;
    *to = '\0';
    field->is_path = strchr(field->text, '/') != NULL;
    *rest = last ? NULL : from;
    return true;
}

static bool take_fields(struct spec *spec, const char *form)
{
    char *rest;

    for (const char *c = spec->whole; *c; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return spec_refuse(spec, "has a control character in it");
    }
    spec->copy = mem_strdup(spec->whole);
    rest = spec->copy + strspn(spec->copy, " \t");
    while (rest) {
        if (spec->count == FIELDS_MAX || !take_field(&rest, &spec->fields[spec->count]))
            return spec_refuse(spec, "is not %s", form);
        spec->count++;
    }
    return true;
}

/* Whether blanks stand only where the one end meets the other, after `first` fields. */
static bool blanks_fit(const struct spec *spec, size_t first)
{
    for (size_t i = 1; i < spec->count; i++) {
        if (spec->fields[i].after_blank && i != first)
            return false;
    }
    return true;
}

static bool read_port(struct spec *spec, const struct field *field, bool zero_ok, uint16_t *port)
{
    char strings[4096];
    struct servent entry, *service = NULL;

    if (port_parse(field->text, zero_ok, port))
        return true;
    if (field->text[0] == '\0')
        return spec_refuse(spec, "has no port");
    if (strspn(field->text, "0123456789") < strlen(field->text) &&
        getservbyname_r(field->text, "tcp", &entry, strings, sizeof(strings), &service) == 0 &&
        service) {
        *port = ntohs((uint16_t)service->s_port);
        return true;
    }
    return spec_refuse(spec,
                       "has '%.100s' for a port, which is a number from %d to 65535 or a service",
                       field->text, zero_ok ? 0 : 1);
}

static bool spec_read_host(struct spec *spec, const struct field *field, char **host)
{
    struct ip ip;

    if (field->text[0] == '\0')
        return spec_refuse(spec, "has no host");
    if (strlen(field->text) > HOST_MAX || strpbrk(field->text, " \t[]") || field->is_path ||
        (strchr(field->text, ':') && !ip_parse_loose(field->text, &ip)))
        return spec_refuse(spec, "has '%.100s' for a host", field->text);
    *host = mem_strdup(field->text);
    return true;
}

static bool read_path(struct spec *spec, const struct field *field, char **path)
{
    if (strlen(field->text) > PATH_MOST)
        return spec_refuse(spec, "has too long a path (%zu bytes at most)", PATH_MOST);
    *path = mem_strdup(field->text);
    return true;
}

/* The end that listens: a path, PORT or BIND PORT. */
static bool read_bind(struct spec *spec, const struct field *fields, size_t count,
                      struct config_place *bind)
{
    if (count == 1 && fields[0].is_path)
        return read_path(spec, &fields[0], &bind->path);
    if (!read_port(spec, &fields[count - 1], spec->zero_ok, &bind->port))
        return false;
    if (count == 1)
        bind->host = mem_strdup("");
    else if (fields[0].text[0] == '\0' || strcmp(fields[0].text, "*") == 0)
        bind->host = mem_strdup("*");
    else
        return spec_read_host(spec, &fields[0], &bind->host);
    return true;
}

/* The end that is connected to: a path, or HOST PORT. */
static bool read_target(struct spec *spec, const struct field *fields, size_t count,
                        struct config_place *target)
{
    if (count == 1)
        return read_path(spec, &fields[0], &target->path);
    return spec_read_host(spec, &fields[0], &target->host) &&
           read_port(spec, &fields[1], false, &target->port);
}

/* How many of the fields belong to the end that listens, or 0: they fit no form. */
static size_t bind_fields(const struct spec *spec, enum forward_kind kind)
{
    const struct field *fields = spec->fields;
    bool alone_ok = kind != FORWARD_LOCAL; /* without a target */

    switch (spec->count) {
    case 1: return alone_ok ? 1 : 0;
    case 2:
        if (kind != FORWARD_DYNAMIC && fields[1].is_path)
            return 1;
        return alone_ok && !fields[0].is_path && !fields[1].is_path ? 2 : 0;
    case 3:
        if (kind == FORWARD_DYNAMIC || fields[1].is_path ||
            (fields[0].is_path && fields[2].is_path))
            return 0;
        return fields[2].is_path ? 2 : 1;
    case 4: return kind == FORWARD_DYNAMIC ? 0 : 2;
    }
    return 0;
}

/* How ssh -G writes that a remote forward has no target. */
static bool is_socks(const struct field *fields)
{
    return strcmp(fields[0].text, "socks") == 0 && strcmp(fields[1].text, "0") == 0;
}

static bool read_ends(struct spec *spec, enum forward_kind kind, struct config_place *bind,
                      struct config_place *target)
{
    if (!take_fields(spec, forms[kind]))
        return false;
    size_t first = bind_fields(spec, kind);
    if (first == 0 || !blanks_fit(spec, first))
        return spec_refuse(spec, "is not %s", forms[kind]);
    if (!read_bind(spec, spec->fields, first, bind))
        return false;
    size_t rest = spec->count - first;
    if (rest == 0 || (kind == FORWARD_REMOTE && rest == 2 && is_socks(&spec->fields[first])))
        return true;
    return read_target(spec, &spec->fields[first], rest, target);
}

bool forward_spec_parse(enum forward_kind kind, const char *text, struct config_forward *forward,
                        char *error, size_t error_size)
{
    struct spec spec = {
        .whole = text, .zero_ok = kind == FORWARD_REMOTE, .error = error, .error_size = error_size};
    struct config_place bind = {0}, target = {0};
    bool ok = read_ends(&spec, kind, &bind, &target);

    free(spec.copy);
    if (!ok) {
        place_clear(&bind);
        place_clear(&target);
        return false;
    }
    forward->kind = kind;
    forward->bind = bind;
    forward->target = target;
    return true;
}

bool forward_spec_parse_stdio(const char *text, struct config_place *target, char *error,
                              size_t error_size)
{
    static const char form[] = "HOST:PORT";
    struct spec spec = {.whole = text, .error = error, .error_size = error_size};
    struct config_place place = {0};
    bool ok = take_fields(&spec, form);

    if (ok && (spec.count != (spec.fields[0].is_path ? 1 : 2) || !blanks_fit(&spec, 0)))
        ok = spec_refuse(&spec, "is not %s", form);
    ok = ok && read_target(&spec, spec.fields, spec.count, &place);
    free(spec.copy);
    if (ok)
        *target = place;
    else
        place_clear(&place);
    return ok;
}

/* Text outside brackets, with a backslash before what would be read as something else (by an INI
 * file too). */
static void add_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++)
        text_add(out, "%s%c", strchr("\\:[;# \t", *text) ? "\\" : "", *text);
}

static void add_place(struct buffer *out, const struct config_place *place)
{
    if (place->path) {
        add_escaped(out, place->path);
        return;
    }
    if (strchr(place->host, ':'))
        text_add(out, "[%s]", place->host);
    else
        add_escaped(out, place->host);
    text_add(out, "%s%u", place->host[0] ? ":" : "", place->port);
}

char *place_print(const struct config_place *place)
{
    struct buffer out = {0};

    add_place(&out, place);
    return text_take(&out);
}

char *forward_spec_print(const struct config_forward *forward)
{
    struct buffer out = {0};

    add_place(&out, &forward->bind);
    if (forward->target.path || forward->target.host) {
        text_add(&out, " ");
        add_place(&out, &forward->target);
    }
    return text_take(&out);
}

void place_clear(struct config_place *place)
{
    free(place->path);
    free(place->host);
    *place = (struct config_place){0};
}

/* Words that stand for one address of each family. */
static const struct {
    const char *word;
    const char *addresses[2];
} address_words[] = {
    {"", {"127.0.0.1", "::1"}},
    {"localhost", {"127.0.0.1", "::1"}},
    {"*", {"0.0.0.0", "::"}},
};

static void append_address(struct config_address **addresses, size_t *count,
                           struct config_address address)
{
    *addresses = mem_realloc(*addresses, (*count + 1) * sizeof(**addresses));
    (*addresses)[(*count)++] = address;
}

bool addresses_append(const struct config_place *bind, struct config_address **addresses,
                      size_t *count)
{
    struct config_address address = {.port = bind->port};

    if (bind->path) {
        append_address(addresses, count,
                       (struct config_address){.is_unix = true, .path = mem_strdup(bind->path)});
        return true;
    }
    for (size_t i = 0; i < sizeof(address_words) / sizeof(address_words[0]); i++) {
        if (strcmp(bind->host, address_words[i].word) != 0)
            continue;
        for (size_t k = 0; k < 2; k++) {
            ip_parse(address_words[i].addresses[k], &address.ip);
            address.optional = k > 0;
            append_address(addresses, count, address);
        }
        return true;
    }
    if (!ip_parse(bind->host, &address.ip))
        return false;
    append_address(addresses, count, address);
    return true;
}

bool forward_spec_same(const struct config_forward *a, const struct config_forward *b)
{
    char *text_a = forward_spec_print(a);
    char *text_b = forward_spec_print(b);
    bool same = a->kind == b->kind && strcmp(text_a, text_b) == 0;

    free(text_a);
    free(text_b);
    return same;
}
