/* Rules in JavaScript. */
#include "policy/pac.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "policy/acl_rule.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pac_add(struct buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void pac_add(struct buffer *out, const char *format, ...)
{
    va_list args;
    char text[512];

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_append(out, text, strlen(text));
}

/* (Old engines read these files: there is nothing newer than ECMAScript 3 in them.) */
static const char prologue[] =
    "// Made by adit from its rules: see proxy.pac in adit.ini(5).\n"
    "function FindProxyForURL(url, host) {\n"
    "  var parts = "
    "/^([a-z][a-z0-9+.-]*):\\/\\/(?:[^\\/?#]*@)?(?:\\[[^\\]]*\\]|[^:\\/?#]*)(?::(\\d+))?/i"
    ".exec(url);\n"
    "  var scheme = parts ? parts[1].toLowerCase() : \"\";\n"
    "  var port = parts && parts[2] ? Number(parts[2]) : scheme == \"https\" || scheme == \"wss\" "
    "? 443\n"
    "    : scheme == \"ftp\" ? 21 : 80;\n"
    "  host = host.toLowerCase().replace(/^\\[|\\]$/g, \"\").replace(/\\.$/, \"\");\n"
    "  // The bytes of a literal address; null: it is a name.\n"
    "  function bytes(text) {\n"
    "    var v4 = /^(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})$/.exec(text), all = [], i;\n"
    "    if (v4) {\n"
    "      for (i = 1; i <= 4; i++) all.push(Number(v4[i]));\n"
    "      return all;\n"
    "    }\n"
    "    if (text.indexOf(\":\") < 0) return null;\n"
    "    var halves = text.split(\"::\"), head = halves[0] ? halves[0].split(\":\") : [];\n"
    "    var tail = halves.length > 1 && halves[1] ? halves[1].split(\":\") : [];\n"
    "    while (halves.length > 1 && head.length + tail.length < 8) head.push(\"0\");\n"
    "    head = head.concat(tail);\n"
    "    for (i = 0; i < head.length; i++) {\n"
    "      var group = parseInt(head[i], 16);\n"
    "      all.push(group >> 8, group & 255);\n"
    "    }\n"
    "    return /^0{10}255255$/.test(all.slice(0, 12).join(\"\")) ? all.slice(12) : all;\n"
    "  }\n"
    "  var address = bytes(host);\n"
    "  function inside(it, net, bits) {\n"
    "    if (!it || it.length != net.length) return false;\n"
    "    for (var i = 0; i < bits; i++) {\n"
    "      var bit = 128 >> (i & 7);\n"
    "      if ((it[i >> 3] & bit) != (net[i >> 3] & bit)) return false;\n"
    "    }\n"
    "    return true;\n"
    "  }\n"
    "  function within(net, bits) { return inside(address, net, bits); }\n"
    "  // What denies loopback denies 0.0.0.0 and ::, which lead there, too.\n"
    "  var self = address && /^[0,]*$/.test(address.join()) ? address.slice(0, -1).concat(1) : "
    "null;\n"
    "  if (self && self.length == 4) self[0] = 127;\n"
    "  function reaches(net, bits) { return within(net, bits) || inside(self, net, bits); }\n";

/* A string as JavaScript has it, which JSON's are. */
static void add_string(struct buffer *out, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_ESCAPE_SLASH);

    if (quoted == NULL) /* (what is no UTF-8 stands in no address) */
        abort();
    buffer_append(out, quoted, strlen(quoted));
    free(quoted);
    json_decref(string);
}

/* Which proxy: by the host, so that a site's connections go by one. */
static void add_proxies(struct buffer *out, const char *const *proxies, size_t count)
{
    pac_add(out, "  var proxies = [");
    for (size_t i = 0; i < count; i++) {
        pac_add(out, i > 0 ? ", " : "");
        add_string(out, proxies[i]);
    }
    pac_add(
        out,
        "];\n"
        "  var sum = 0;\n"
        "  for (var i = 0; i < host.length; i++) sum = (31 * sum + host.charCodeAt(i)) %% 65521;\n"
        "  var proxy = proxies[sum %% proxies.length];\n");
}

/* A glob as a regular expression. */
static void add_glob(struct buffer *out, const char *glob)
{
    pac_add(out, "/^");
    for (; *glob != '\0'; glob++) {
        bool plain = (*glob >= 'a' && *glob <= 'z') || (*glob >= '0' && *glob <= '9');
        pac_add(out,
                *glob == '*' ? ".*"
                : plain      ? "%c"
                             : "\\x%02x",
                plain ? *glob : (int)(unsigned char)*glob);
    }
    pac_add(out, "$/.test(host)");
}

static void add_network(struct buffer *out, const struct cidr *net, bool also_self)
{
    size_t first = ip_is_v4(&net->ip) ? 12 : 0; /* (v4-mapped) */

    pac_add(out, "%s([", also_self ? "reaches" : "within");
    for (size_t i = first; i < sizeof(net->ip.bytes); i++)
        pac_add(out, "%s%u", i > first ? "," : "", net->ip.bytes[i]);
    pac_add(out, "], %u)", net->bits - 8 * (unsigned)first);
}

static void add_target(struct buffer *out, const struct acl_rule *rule)
{
    const char *before = "(";

    for (size_t i = 0; i < rule->to_globs.count; i++) {
        pac_add(out, "%s", before);
        add_glob(out, rule->to_globs.items[i]);
        before = " || ";
    }
    for (size_t i = 0; i < rule->to_networks.count; i++) {
        pac_add(out, "%s", before);
        add_network(out, &rule->to_networks.items[i], !rule->allow);
        before = " || ";
    }
    pac_add(out, "%s", before[0] == '(' ? "true" : ")");
}

static void add_ports(struct buffer *out, const struct acl_ports *ports)
{
    for (size_t i = 0; i < ports->count; i++)
        pac_add(out, "%s(port >= %u && port <= %u)", i > 0 ? " || " : " && (",
                ports->items[i].first, ports->items[i].last);
    pac_add(out, "%s", ports->count > 0 ? ")" : "");
}

/* Whether the rule says something to clients of the listener, as far as a browser can know. */
static bool is_told(const struct acl_rule *rule, const char *listen)
{
    bool from_network = rule->from.count > 0 || rule->from_unix;
    bool from = from_network || rule->from_remote;

    if (rule->listens.count > 0 && !acl_names_have(&rule->listens, listen))
        return false;
    if (rule->allow)
        return !from || from_network;
    return !from && rule->users.count == 0 && rule->groups.count == 0;
}

char *pac_text(const struct acl *acl, const char *listen, const char *const *proxies, size_t count)
{
    struct buffer out = {0};
    const struct acl_rule *rule;

    buffer_append(&out, prologue, strlen(prologue));
    add_proxies(&out, proxies, count);
    for (size_t i = 0; acl != NULL && (rule = acl_rule_at(acl, i)) != NULL; i++) {
        if (!is_told(rule, listen))
            continue;
        pac_add(&out, "  if (");
        add_target(&out, rule);
        add_ports(&out, &rule->ports);
        pac_add(&out, ") return %s;\n", rule->allow ? "proxy" : "\"DIRECT\"");
    }
    pac_add(&out, "  return %s;\n}\n", acl == NULL ? "proxy" : "\"DIRECT\"");
    buffer_append(&out, "", 1);
    char *text = mem_strdup((const char *)buffer_data(&out));
    buffer_clear(&out);
    return text;
}
