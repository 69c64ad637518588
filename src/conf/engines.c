/* Which engine carries the sessions of an upstream. */
#include "base/mem.h"
#include "conf/identities.h"
#include "conf/load.h"
#include "conf/master_words.h"
#include "conf/types.h"
#include "conf/upstream_host.h"
#include "io/private_file.h"
#include "io/subprocess.h"
#include "io/whole.h"
#include "policy/known_hosts.h"
#include "wire/openssh_key.h"

#include <stdlib.h>
#include <string.h>

/* Whether a method of the list may be used. (The server may still want another one.) */
bool upstream_may_log_in(const struct config_upstream *upstream)
{
    const struct {
        const char *name;
        bool allowed;
    } methods[] = {
        {"publickey", upstream->pubkey_authentication},
        {"password", upstream->password_authentication},
        {"keyboard-interactive", upstream->kbd_interactive_authentication},
    };
    const char *list = upstream->preferred_authentications;

    while (*list) {
        size_t length = strcspn(list, ",");
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
            if (methods[i].allowed && strlen(methods[i].name) == length &&
                strncmp(list, methods[i].name, length) == 0)
                return true;
        }
        list += length + (list[length] == ',');
    }
    return false;
}

void load_remark(const struct load *load, const char *text)
{
    struct string_list *remarks = &load->config->remarks;

    for (size_t i = 0; i < remarks->count; i++) {
        if (strcmp(remarks->items[i], text) == 0)
            return;
    }
    string_list_append(remarks, mem_strdup(text));
}

/* Reasons for ssh. */

static bool libssh_has_post_quantum = true;

void config_set_libssh_post_quantum(bool has)
{
    libssh_has_post_quantum = has;
}

/* A file among the identities whose key lies in a FIDO token. */
static char *token_identity(const struct config_upstream *upstream)
{
    struct string_list paths = {0};
    char *found = NULL;

    identities_paths(upstream, &paths);
    for (size_t i = 0; i < paths.count && !found; i++) {
        struct buffer text = {0};
        char name[OPENSSH_KEY_NAME_MAX];
        if (!private_file_read(paths.items[i], &text) &&
            openssh_key_inspect((const char *)buffer_data(&text), buffer_length(&text) - 1, name) ==
                OPENSSH_KEY_TOKEN)
            found = mem_printf("the key of %s is in a FIDO token (%s)", paths.items[i], name);
        buffer_wipe(&text);
    }
    string_list_clear(&paths);
    return found;
}

#define KNOWN_HOSTS_MAX ((size_t)64 << 20)

/* A line of known_hosts with a certificate authority for a host of the upstream; not for those that
 * SRV records name, as they are not known yet. (A file that cannot be read fails the login, which
 * says so.) */
static char *host_authority(const struct config_upstream *upstream)
{
    size_t count = upstream->known_hosts.count;
    struct known_hosts_file *files = mem_zalloc((count + 1) * sizeof(*files));
    struct buffer *bytes = mem_zalloc((count + 1) * sizeof(*bytes));
    char *place = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *path = upstream->known_hosts.items[i];
        file_read(path, KNOWN_HOSTS_MAX, FILE_REGULAR_OR_EMPTY, &bytes[i]);
        files[i] = (struct known_hosts_file){.path = path,
                                             .bytes = (const char *)buffer_data(&bytes[i]),
                                             .length = buffer_length(&bytes[i])};
    }
    for (size_t i = 0; i < upstream->hosts.count && !place && !upstream_service(upstream); i++) {
        struct upstream_host host;
        char *name, *without_port;
        upstream_host_at(upstream, i, &host);
        name = upstream_host_known_as(upstream, &host, &without_port);
        place = known_hosts_authority(
            &(struct known_hosts){.files = files, .file_count = count, .name = name});
        free(without_port);
        free(name);
    }
    for (size_t i = 0; i < count; i++)
        buffer_clear(&bytes[i]);
    free(bytes);
    free(files);
    return place;
}

/* Why libssh cannot do what is asked, as the end of a sentence, which the caller frees; NULL: it
 * can, as far as is known here. */
static char *reason_for_ssh(const struct config_upstream *upstream,
                            const struct load_section *section)
{
    char *text = token_identity(upstream);
    char *place;

    if (text)
        return text;
    if (section && section->wants_pkcs11)
        return mem_strdup("PKCS11Provider is given");
    if (section && !upstream_may_log_in(upstream) &&
        (section->wants_gssapi || section->wants_hostbased))
        return mem_printf("the only way to log in is %s", section->wants_gssapi
                                                              ? "GSSAPIAuthentication"
                                                              : "HostbasedAuthentication");
    place = upstream->host_key != HOST_KEY_PINNED ? host_authority(upstream) : NULL;
    if (place)
        text = mem_printf("%s has a certificate authority (@cert-authority) for the host", place);
    free(place);
    if (!text && upstream->post_quantum == POST_QUANTUM_REQUIRE && !libssh_has_post_quantum)
        text = mem_strdup("post_quantum = require, and this libssh has no such key exchange");
    return text;
}

/* The choice. */

static const char *what_ssh_lacks(const struct config_upstream *upstream);

/* Whether the section gives a file of revoked keys whose name some versions of ssh would expand,
 * and others would not. (Of a RevokedHostKeys in ssh_config ssh itself knows what is meant.) */
static bool has_doubtful_revoked(const struct config_upstream *upstream,
                                 const struct load_section *section)
{
    const char *path = upstream->revoked_host_keys;

    return path && section && (strchr(path, '%') || strstr(path, "${")) &&
           (load_key_of(section, "revoked_host_keys")->line != 0 ||
            (section->made && !section->hop));
}

static void choose_engine(const struct load *load, struct config_upstream *upstream,
                          const struct load_section *section)
{
    upstream->by_openssh = upstream->engine == UPSTREAM_ENGINE_OPENSSH;
    if (upstream->engine == UPSTREAM_ENGINE_AUTO && !what_ssh_lacks(upstream) &&
        !has_doubtful_revoked(upstream, section))
        upstream->engine_reason = reason_for_ssh(upstream, section);
    upstream->by_openssh |= upstream->engine_reason != NULL;
    if (upstream->by_openssh || !section)
        return;
    for (size_t i = 0; i < section->by_ssh.count; i++)
        load_remark(load, section->by_ssh.items[i]);
}

void load_choose_engines(struct load *load)
{
    for (size_t i = 0; i < load->config->upstream_count; i++) {
        struct config_upstream *upstream = &load->config->upstreams[i];
        choose_engine(load, upstream, load_section_of(load, "upstream", i));
        if (!upstream->by_openssh) {
            string_list_clear(&upstream->master_words);
            string_list_clear(&upstream->master_hosts);
        } else if (!upstream->ssh_config) {
            master_words_add(load, i, true);
        }
    }
}

void config_each_engine_reason(const struct config *config,
                               void (*each)(void *arg, const char *text), void *arg)
{
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        char *text;
        if (!upstream->engine_reason)
            continue;
        text = mem_printf("upstream %s: an ssh carries its sessions (engine = auto): %s",
                          upstream->name, upstream->engine_reason);
        each(arg, text);
        free(text);
    }
}

/* What an ssh that carries sessions cannot do, in the words of a problem; NULL: nothing. */
static const char *what_ssh_lacks(const struct config_upstream *upstream)
{
    if (upstream->join_master)
        return "join_master: the ssh that is joined carries the sessions already";
    if (upstream->master_socket)
        return "master_socket: shells go over libssh's sessions only; ssh's own ControlPath does "
               "the same";
    if (upstream->host_key == HOST_KEY_PINNED)
        return "host_key: ssh knows no fingerprints: put the key into a known_hosts file";
    if (upstream->libssh_config || !program_is_there("ssh"))
        return "there is no ssh in PATH";
    return NULL;
}

void load_check_engine(struct load *load, size_t index)
{
    const struct config_upstream *upstream = &load->config->upstreams[index];
    const struct load_section *section = load_section_of(load, "upstream", index);
    const char *lack = upstream->by_openssh ? what_ssh_lacks(upstream) : NULL;

    if (lack)
        load_problem(load, load_line_of(section, "engine"), "engine = openssh: %s", lack);
    if (upstream->by_openssh && has_doubtful_revoked(upstream, section))
        load_problem(load, load_line_of(section, "revoked_host_keys"),
                     "revoked_host_keys: with engine = openssh, the file's name must not have '%%' "
                     "or '${' (%s): some versions of ssh expand them, others do not",
                     upstream->revoked_host_keys);
}

void load_check_remote(struct load *load, const struct config_forward *forward, unsigned line)
{
    const struct config_upstream *upstream =
        forward->via ? config_upstream(load->config, forward->via) : NULL;

    if (forward->kind != FORWARD_REMOTE || !forward->bind.path ||
        (upstream && (upstream->by_openssh || upstream->join_master)))
        return;
    load_problem(load, line,
                 "remote: libssh cannot ask a server to listen on a unix socket ('%s'); ssh can "
                 "(engine = openssh, join_master)",
                 forward->bind.path);
}
