/* Upstreams with ssh_config = yes. */
#include "conf/ssh_config.h"

#include "base/clock.h"
#include "base/hostport.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/master_words.h"
#include "conf/ssh_ask.h"
#include "conf/ssh_files.h"
#include "conf/ssh_names.h"
#include "conf/types.h"
#include "conf/upstream_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SSH_PORT 22

/* One upstream being filled. */
struct fill {
    struct load *load;
    size_t index;
    unsigned line; /* to blame */
};

static struct load_section *fill_section(const struct fill *fill)
{
    return load_section_of(fill->load, "upstream", fill->index);
}

static struct config_upstream *fill_upstream(const struct fill *fill)
{
    return &fill->load->config->upstreams[fill->index];
}

static void fill_remark(void *arg, const char *text)
{
    const struct fill *fill = arg;

    load_remark(fill->load, text);
}

static void fill_by_ssh(void *arg, const char *keyword, const char *text)
{
    struct load_section *section = fill_section(arg);

    string_list_append(&section->by_ssh, mem_strdup(text));
    section->wants_pkcs11 |= strcmp(keyword, "pkcs11provider") == 0;
    section->wants_hostbased |= strcmp(keyword, "hostbasedauthentication") == 0;
}

static void fill_problem(void *arg, const char *text)
{
    const struct fill *fill = arg;

    load_problem(fill->load, fill->line, "ssh_config: %s", text);
}

static void fill_setting(void *arg, const char *key, const char *value)
{
    const struct fill *fill = arg;

    load_set(fill->load, fill_section(fill), key, value, fill->line);
}

void ssh_config_usual(struct ssh_answer *usual, bool batch_mode, int connection)
{
    static const char *const words[] = {"-F", "none", "-o", "BatchMode=yes"};
    struct ssh_reply reply;

    if (ssh_ask(&(struct ssh_question){words, batch_mode ? 4 : 2, "localhost", connection},
                &reply) == SSH_ANSWERED)
        ssh_answer_add(usual, reply.text);
    ssh_reply_clear(&reply);
}

#define FRESH_MS 2000

static _Atomic uint64_t asked_at; /* clock_now */

bool ssh_config_is_fresh(void)
{
    return clock_now() - asked_at < FRESH_MS;
}

/* The question was asked; it is kept if the answer depends on commands. */
static void keep_question(const struct fill *fill, const struct ssh_question *question)
{
    struct config_upstream *upstream = fill_upstream(fill);

    asked_at = clock_now();
    if (upstream->ssh_words.count > 0 || !ssh_files_run_commands(upstream->ssh_config_file))
        return;
    for (size_t i = 0; i < question->count; i++)
        string_list_append(&upstream->ssh_words, mem_strdup(question->words[i]));
    string_list_append(&upstream->ssh_words, mem_strdup(question->host));
}

/* The port that ssh is told for a host: its own, or the section's; 0: none. */
static uint16_t host_port_of(const struct fill *fill, uint16_t port)
{
    return port == 0 && load_key_of(fill_section(fill), "port")->set ? fill_upstream(fill)->port
                                                                     : port;
}

/* Has the masters read the same file. */
static void take_file_word(const struct fill *fill)
{
    const char *const words[] = {"-F", fill_upstream(fill)->ssh_config_file};

    if (words[1])
        master_words_take(fill_upstream(fill), words, 2);
}

/* Asks about one host, "NAME" or "NAME:PORT", what the section has given coming first. */
static enum ssh_ask_outcome fill_ask(const struct fill *fill, const char *name, uint16_t port,
                                     struct ssh_reply *reply)
{
    const struct config_upstream *upstream = fill_upstream(fill);
    const struct load_section *section = fill_section(fill);
    const char *words[8];
    size_t count = 0;

    port = host_port_of(fill, port);
    char *port_text = mem_printf("%u", port);
    if (upstream->ssh_config_file) {
        words[count++] = "-F";
        words[count++] = upstream->ssh_config_file;
    }
    if (upstream->user) {
        words[count++] = "-l";
        words[count++] = upstream->user;
    }
    if (port != 0) {
        words[count++] = "-p";
        words[count++] = port_text;
    }
    /* The file gives the way to the host. The host's own ProxyJump must not come into the answer.
     */
    if (load_key_of(section, "jump")->set || load_key_of(section, "proxy_command")->set) {
        words[count++] = "-o";
        words[count++] = "ProxyJump=none";
    }
    const struct ssh_question question = {words, count, name, fill->load->connection};
    enum ssh_ask_outcome outcome = ssh_ask(&question, reply);
    if (outcome == SSH_ANSWERED)
        keep_question(fill, &question);
    free(port_text);
    return outcome;
}

/* Reads HostName and Port of the answer; false: a problem was noted. */
static bool read_place(const struct fill *fill, const char *asked, const struct ssh_answer *answer,
                       const char **name, uint16_t *port)
{
    const char *port_text = ssh_answer_value(answer, "port");

    *name = ssh_answer_value(answer, "hostname");
    if (!*name) {
        load_problem(fill->load, fill->line, "ssh_config: ssh -G %s printed no hostname", asked);
        return false;
    }
    const char *wrong = strlen(*name) > HOST_MAX ? "it is too long" : ssh_host_wrong(*name);
    if (wrong) {
        char *visible = text_visible(*name);
        load_problem(fill->load, fill->line,
                     "ssh_config: HostName '%s' of %s is no host's name: %s", visible, asked,
                     wrong);
        free(visible);
        return false;
    }
    *port = SSH_PORT;
    if (port_text && !port_parse(port_text, false, port)) {
        load_problem(fill->load, fill->line, "ssh_config: Port '%s' of %s is not one", port_text,
                     asked);
        return false;
    }
    return true;
}

/* Puts the place that a host's name stands for into the list of hosts. */
static void set_host(const struct fill *fill, size_t i, bool with_port,
                     const struct ssh_answer *answer)
{
    struct string_list *hosts = &fill_upstream(fill)->hosts;
    char host[HOST_MAX + 1], text[HOSTPORT_TEXT_MAX];
    const char *name;
    uint16_t port;

    if (!read_place(fill, hosts->items[i], answer, &name, &port))
        return;
    hostport_format(name, port, text);
    if (!hostport_split_zoned(text, strlen(text), 0, host, &port)) {
        load_problem(fill->load, fill->line, "ssh_config: HostName '%s' is not one", name);
        return;
    }
    free(hosts->items[i]);
    hosts->items[i] = mem_strdup(with_port ? text : host);
}

/* Where there is no ssh to ask: gives the upstream what files forbid and the SSH library would not
 * mind, where the section says nothing of it. */
static void take_forbidden(struct fill *fill)
{
    const struct ssh_meaning meaning = {fill_setting, fill_remark, fill, fill_problem, NULL};
    struct ssh_answer forbidden = {0};
    char *wrong = ssh_files_forbidden(fill_upstream(fill)->ssh_config_file, &forbidden);

    if (wrong)
        load_problem(fill->load, fill->line, "ssh_config: %s", wrong);
    for (size_t i = 0; i < forbidden.count; i++) {
        char *text = mem_printf("there is no ssh on this machine: '%s %s' of ssh_config is taken "
                                "for every host",
                                forbidden.lines[i].keyword, forbidden.lines[i].value);
        fill_remark(fill, text);
        free(text);
    }
    ssh_answer_tell(&forbidden, NULL, fill_upstream(fill)->hosts.items[0], &meaning);
    ssh_answer_clear(&forbidden);
    free(wrong);
}

/* Asks about the host of that index; false: there is no answer, and it is known why. */
static bool ask_host(struct fill *fill, size_t i, struct ssh_answer *answer, char **given,
                     bool *with_port)
{
    const char *host = fill_upstream(fill)->hosts.items[i];
    char name[HOST_MAX + 1];
    struct ssh_reply reply;
    uint16_t port;

    const char *service = upstream_service(fill_upstream(fill));
    *with_port = !service && hostport_split_zoned(host, strlen(host), 0, name, &port);
    if (service) {
        snprintf(name, sizeof(name), "%s", service);
        port = 0;
    } else if (!*with_port) {
        hostport_split_zoned(host, strlen(host), 22, name, &port);
        port = 0;
    }
    *given = mem_strdup(name);
    master_words_host(fill_upstream(fill), name, host_port_of(fill, port));
    enum ssh_ask_outcome outcome = fill_ask(fill, name, port, &reply);
    if (outcome == SSH_ANSWERED)
        ssh_answer_add(answer, reply.text);
    else if (outcome == SSH_REFUSED)
        load_problem(fill->load, fill->line, "ssh_config: ssh -G %s: %s", name, reply.said);
    if (outcome == SSH_ABSENT) {
        fill_upstream(fill)->libssh_config = true;
        take_forbidden(fill);
        fill_setting(fill, "host_key", "ask"); /* ssh's default, not adit's */
    }
    ssh_reply_clear(&reply);
    return outcome == SSH_ANSWERED;
}

/* Gives the upstream all that ssh says of its first host. */
static void take_settings(struct fill *fill, const struct ssh_answer *answer, const char *host)
{
    const struct ssh_meaning meaning = {fill_setting, fill_remark, fill, fill_problem, fill_by_ssh};
    struct ssh_answer usual = {0};

    ssh_config_usual(&usual, ssh_answer_is_yes(answer, "batchmode"), fill->load->connection);
    ssh_answer_tell(answer, usual.count > 0 ? &usual : NULL, host, &meaning);
    fill_section(fill)->wants_gssapi = ssh_answer_is_yes(answer, "gssapiauthentication");
    ssh_answer_clear(&usual);
}

void ssh_config_fill(struct load *load, size_t index)
{
    struct fill fill = {.load = load, .index = index};
    const struct ssh_known *known = index == 0 ? load->ssh_known : NULL;
    size_t count = load->config->upstreams[index].hosts.count;

    fill.line = load_line_of(fill_section(&fill), "ssh_config");
    master_words_add(load, index, false);
    if (known)
        master_words_take(fill_upstream(&fill), known->words, known->word_count);
    else
        take_file_word(&fill);
    if (known) {
        master_words_host(fill_upstream(&fill), known->destination, 0);
        set_host(&fill, 0, false, &known->answer);
        take_settings(&fill, &known->answer, known->host);
        load->config->upstreams[0].libssh_config = known->absent;
        if (known->absent)
            take_forbidden(&fill);
        else
            keep_question(&fill, &(struct ssh_question){known->words, known->word_count,
                                                        known->destination, -1});
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct ssh_answer answer = {0};
        char *given;
        bool with_port;
        bool ok = ask_host(&fill, i, &answer, &given, &with_port);

        if (ok && i == 0)
            take_settings(&fill, &answer, given);
        if (ok && !upstream_service(fill_upstream(&fill)))
            set_host(&fill, i, with_port || i > 0, &answer);
        ssh_answer_clear(&answer);
        free(given);
        if (!ok)
            return;
    }
}
