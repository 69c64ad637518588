/* Which engine carries the sessions of an upstream. */
#include "conf/load.h"
#include "conf/master_words.h"
#include "conf/types.h"
#include "io/subprocess.h"

void load_choose_engines(struct load *load)
{
    for (size_t i = 0; i < load->config->upstream_count; i++) {
        struct config_upstream *upstream = &load->config->upstreams[i];
        upstream->by_openssh = upstream->engine == UPSTREAM_ENGINE_OPENSSH;
        if (!upstream->by_openssh) {
            string_list_clear(&upstream->master_words);
            string_list_clear(&upstream->master_hosts);
        } else if (!upstream->ssh_config) {
            master_words_add(load, i, true);
        }
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
    const char *lack = upstream->by_openssh ? what_ssh_lacks(upstream) : NULL;

    if (lack)
        load_problem(load, load_line_of(load_section_of(load, "upstream", index), "engine"),
                     "engine = openssh: %s", lack);
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
