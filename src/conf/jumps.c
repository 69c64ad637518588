/* Jump hosts: parsing hops, and making upstreams of them. */
#include "conf/jumps.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/ssh_config.h"
#include "conf/ssh_names.h"
#include "conf/types.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define URI_SCHEME "ssh://"

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* A URI's user without its escapes (RFC 3986 section 2.1) and connection parameters
 * (draft-ietf-secsh-scp-sftp-ssh-uri); false: one is malformed. */
static bool decode_user(char *text)
{
    char *to = text;

    text[strcspn(text, ";")] = '\0';
    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

/* Whether ssh would accept the name; else notes why not. A blank in a hop's user is more likely
 * a mistake than a name. */
static bool names_valid(struct hop *hop)
{
    const char *user = hop->user ? ssh_user_wrong(hop->user) : NULL;
    const char *host = ssh_host_wrong(hop->host);

    if (!user && hop->user && strchr(hop->user, ' '))
        user = "it has a blank in it";
    hop->wrong_part = user ? "user" : host ? "host" : NULL;
    hop->wrong = user ? user : host;
    return !hop->wrong;
}

/* Reads the host, and the port if the text has one. */
static bool hop_read_host(const char *text, size_t length, struct hop *hop)
{
    if (hostport_split_zoned(text, length, 0, hop->host, &hop->port))
        return true;
    hop->port = 0;
    uint16_t none;
    return hostport_split_zoned(text, length, 22, hop->host, &none);
}

bool hop_parse(const char *text, struct hop *hop)
{
    bool uri = strncmp(text, URI_SCHEME, strlen(URI_SCHEME)) == 0;
    const char *at;
    size_t length;

    *hop = (struct hop){0};
    if (uri)
        text += strlen(URI_SCHEME);
    at = strrchr(text, '@');
    hop->user = at ? mem_strndup(text, (size_t)(at - text)) : NULL;
    if (at)
        text = at + 1;
    length = strlen(text);
    if (uri && length > 0 && text[length - 1] == '/')
        length--;
    if (memchr(text, '/', length) || (hop->user && uri && !decode_user(hop->user)) ||
        !hop_read_host(text, length, hop) || !names_valid(hop)) {
        hop_clear(hop);
        return false;
    }
    return true;
}

void hop_clear(struct hop *hop)
{
    free(hop->user);
    hop->user = NULL;
}

static struct config_upstream *upstream_at(const struct load *load, size_t index)
{
    return &load->config->upstreams[index];
}

static struct load_section *upstream_section(const struct load *load, size_t index)
{
    return load_section_of(load, "upstream", index);
}

/* Makes another upstream, the last, for a hop that upstream `namer` names. */
static size_t make_upstream(struct load *load, size_t namer, const char *text)
{
    unsigned line = load_line_of(load_section_of(load, "upstream", namer), "jump");
    char *name = load_free_name(load, "upstream", text);

    load_open(load, line, "upstream", name);
    load->sections[load->section_count - 1].made = true;
    free(name);
    return load->config->upstream_count - 1;
}

/* Removes the upstream that was made last. */
static void unmake_upstream(struct load *load)
{
    struct load_section *section = &load->sections[--load->section_count];

    section_object_clear(section->kind, upstream_at(load, --load->config->upstream_count));
    free(section->hop);
}

static void set_key(struct load *load, size_t index, const char *key, const char *text)
{
    struct load_section *section = upstream_section(load, index);

    load_set(load, section, key, text, section->line);
}

/* Copies what was given for one upstream to another: the keys with one of `flags` (0: all keys). */
static void inherit(struct load *load, size_t from, size_t to, unsigned flags)
{
    const struct load_section *source = upstream_section(load, from);
    struct load_section *section = upstream_section(load, to);

    for (size_t i = 0; i < section->kind->key_count; i++) {
        const struct key *key = &section->kind->keys[i];
        bool has = source->keys[i].set && !source->keys[i].bad && !section->keys[i].set;
        if (!has || (flags && !(key->flags & flags)))
            continue;
        /* (Fingerprints belong to one server.) */
        if (flags && key->type == &type_host_key &&
            upstream_at(load, from)->host_key == HOST_KEY_PINNED)
            continue;
        key_copy(key, upstream_at(load, from), upstream_at(load, to));
        section->keys[i].set = true;
    }
}

/* Makes `parent` the upstream's only jump (NULL: none is set), in the place of what was given. */
static void set_path(struct load *load, size_t index, const char *parent)
{
    if (!parent)
        return;
    set_key(load, index, "jump", parent);
    set_key(load, index, "proxy_command", "none");
    upstream_section(load, index)->expanded = true;
}

/* A copy of upstream `named` whose sessions go through `parent`. */
static size_t make_elsewhere(struct load *load, size_t namer, size_t named, const char *parent)
{
    size_t index = make_upstream(load, namer, upstream_at(load, named)->name);

    set_path(load, index, parent);
    inherit(load, named, index, 0);
    return index;
}

/* Makes an upstream for a hop that no section describes. With ssh_config its settings are not known
 * yet; `hop` of its section says what they will come from. */
static size_t make_of_text(struct load *load, size_t namer, const struct hop *hop,
                           const char *parent)
{
    char *port = hop->port ? mem_printf("%u", hop->port) : NULL;
    char *text = mem_printf("%s%s%s%s%s", hop->user ? hop->user : "", hop->user ? "-" : "",
                            hop->host, port ? "-" : "", port ? port : "");
    size_t index = make_upstream(load, namer, text);
    const struct config_upstream *from = upstream_at(load, namer);

    set_key(load, index, "host", hop->host);
    if (hop->user)
        set_key(load, index, "user", hop->user);
    if (port)
        set_key(load, index, "port", port);
    set_path(load, index, parent);
    if (from->ssh_config) {
        set_key(load, index, "ssh_config", "yes");
        if (from->ssh_config_file)
            set_key(load, index, "ssh_config_file", from->ssh_config_file);
        upstream_section(load, index)->hop = mem_printf(
            "%s\n%s\n%s\n%s\n%s", text, parent ? parent : "",
            from->ssh_config_file ? from->ssh_config_file : "", from->askpass ? from->askpass : "",
            from->passphrase_file ? from->passphrase_file : "");
    } else {
        inherit(load, namer, index, KEY_HOP);
    }
    free(text);
    free(port);
    return index;
}

/* Whether two upstreams, before defaults are filled in, would have the same sessions. */
static bool same_sessions(const struct load *load, size_t a, size_t b)
{
    const struct load_section *given_a = upstream_section(load, a),
                              *given_b = upstream_section(load, b);

    for (size_t i = 0; i < given_a->kind->key_count; i++) {
        if ((given_a->kind->keys[i].flags & KEY_SESSION) &&
            given_a->keys[i].set != given_b->keys[i].set)
            return false;
    }
    return config_upstream_same_sessions(upstream_at(load, a), upstream_at(load, b));
}

/* An earlier upstream that would have the same sessions as the last one, else the last one. */
static size_t find_same(const struct load *load)
{
    size_t last = load->config->upstream_count - 1;
    const char *hop = upstream_section(load, last)->hop;

    for (size_t i = 0; i < last; i++) {
        const struct load_section *section = upstream_section(load, i);
        if (!section->made || !section->hop != !hop)
            continue;
        if (hop ? strcmp(section->hop, hop) == 0 : same_sessions(load, i, last))
            return i;
    }
    return last;
}

static void expand_jumps(struct load *load, size_t index);

/* The upstream of that name that can be used behind `parent` (NULL: any can); where none can, one
 * is made. */
static size_t named_upstream(struct load *load, size_t namer, size_t named, const char *parent)
{
    const struct string_list *path;

    if (!parent)
        return named;
    expand_jumps(load, named);
    path = &upstream_at(load, named)->jump;
    if (path->count == 1 && strcmp(path->items[0], parent) == 0)
        return named;
    return make_elsewhere(load, namer, named, parent);
}

/* The upstream for one hop of upstream `namer`, behind `parent` (NULL: the first hop). */
static size_t hop_upstream(struct load *load, size_t namer, const char *text, const char *parent)
{
    const struct config_upstream *described = config_upstream(load->config, text);
    size_t named = described ? (size_t)(described - load->config->upstreams) : 0;
    size_t count = load->config->upstream_count;
    struct hop hop;
    size_t index;

    if (described && !upstream_section(load, named)->made) {
        index = named_upstream(load, namer, named, parent);
    } else {
        bool ok = hop_parse(text, &hop);
        assert(ok); /* it was read as the key's value */
        (void)ok;
        index = make_of_text(load, namer, &hop, parent);
        hop_clear(&hop);
    }
    if (index < count)
        return index;

    size_t same = find_same(load);
    if (same != index) {
        unmake_upstream(load);
    } else if (upstream_section(load, index)->hop) {
        ssh_config_fill(load, index);
        inherit(load, namer, index, KEY_HOP_ALWAYS);
    }
    return same;
}

static void expand_jumps(struct load *load, size_t index)
{
    struct load_section *section = upstream_section(load, index);
    struct string_list hops = upstream_at(load, index)->jump;
    char *parent = NULL;

    if (section->expanded)
        return;
    section->expanded = true;
    upstream_at(load, index)->jump = (struct string_list){0};
    for (size_t i = 0; i < hops.count; i++) {
        size_t hop = hop_upstream(load, index, hops.items[i], parent);
        free(parent);
        parent = mem_strdup(upstream_at(load, hop)->name);
        free(hops.items[i]);
    }
    free(hops.items);
    if (parent)
        string_list_append(&upstream_at(load, index)->jump, parent);
}

/* Notes a problem if the jumps of an upstream lead back to it. */
static void check_circle(struct load *load, size_t index)
{
    const struct config_upstream *first = upstream_at(load, index);
    const struct config_upstream *at = first;
    struct buffer way = {0};

    for (size_t i = 0; i < load->config->upstream_count && at->jump.count > 0; i++) {
        at = config_upstream(load->config, at->jump.items[0]);
        text_add(&way, " through %s", at->name);
        if (at == first)
            break;
    }
    char *text = text_take(&way);
    if (at == first && *text)
        load_problem(load, load_line_of(upstream_section(load, index), "jump"),
                     "jump: %s is reached%s, which has no beginning", first->name, text);
    free(text);
}

void jumps_expand(struct load *load)
{
    for (size_t i = 0; i < load->config->upstream_count; i++)
        expand_jumps(load, i);
    for (size_t i = 0; i < load->config->upstream_count; i++)
        check_circle(load, i);
}
