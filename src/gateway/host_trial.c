/* A dial, a session on the main thread's loop, an open; and what each step has shown. */
#include "gateway/host_trial.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "gateway/dial_attempt.h"
#include "gateway/dial_programs.h"
#include "gateway/trial_target.h"
#include "shared/session_reach.h"

#include <stdlib.h>
#include <string.h>

/* How often session_tick is called. */
#define TICK_MS 250

struct host_trial {
    struct host_trial_request r;
    struct host_backoffs *hosts; /* its own: a trial makes no dial of the pool wait */
    struct places places;
    struct dial_attempt *attempt;
    struct dial_programs programs;
    struct dial_seen seen;
    struct session *session;
    struct session_open *open;
    struct trial_target target;
    struct deadline tick;
    struct deadline patience; /* with the open */
    struct later ending;
    json_t *steps;
    bool failed;
};

static const struct place *tried_place(const struct host_trial *t)
{
    return t->places.items[t->r.index];
}

/* (SRV records may have named no host.) */
static const char *tried_label(const struct host_trial *t)
{
    return t->places.count > 0 ? tried_place(t)->label : t->r.upstream->hosts.items[0];
}

static void host_trial_free(struct host_trial *t)
{
    deadline_cancel(&t->tick);
    deadline_cancel(&t->patience);
    later_cancel(t->r.room->loop, &t->ending);
    if (t->open != NULL)
        session_open_cancel(t->open);
    session_free(t->session);
    dial_programs_hang_up(&t->programs);
    json_decref(t->steps);
    places_clear(&t->places);
    host_backoffs_free(t->hosts);
    config_unref(t->r.config);
    free(t);
}

/* Steps. */

/* Takes the text. */
static void step_passed(struct host_trial *t, const char *step, char *seen)
{
    json_array_append_new(
        t->steps, json_pack("{s:s, s:b, s:o}", "step", step, "ok", 1, "seen", json_text(seen)));
    free(seen);
}

static void step_failed(struct host_trial *t, const char *step, const char *reason,
                        const char *advice)
{
    json_t *failed =
        json_pack("{s:s, s:b, s:o}", "step", step, "ok", 0, "reason", json_text(reason));

    if (advice != NULL)
        json_object_set_new(failed, "advice", json_text(advice));
    json_array_append_new(t->steps, failed);
    t->failed = true;
}

/* How the connection was made. */
static char *way_text(const struct host_trial *t)
{
    const struct config_upstream *u = t->r.upstream;

    if (u->join_master != NULL)
        return mem_printf("the ssh(1) that has logged in, at %s", u->join_master);
    if (u->proxy_command != NULL)
        return mem_printf("%s by ProxyCommand", tried_place(t)->label);
    if (u->jump.count > 0)
        return mem_printf("%s through jump host %s", tried_place(t)->label, u->jump.items[0]);
    return mem_strdup(t->seen.info.remote[0] != '\0' ? t->seen.info.remote : tried_place(t)->label);
}

/* What was seen of a login before this step. (An ssh(1) that the keeper has started says less.) */
static void add_login(struct host_trial *t, enum login_step before)
{
    const struct connection_info *info = &t->seen.info;

    step_passed(t, "connection", way_text(t));
    if (info->server[0] != '\0' && before > LOGIN_STEP_KEY_EXCHANGE)
        step_passed(t, "server", mem_printf("%s, %s", info->server, info->kex));
    if (info->host_key[0] != '\0' && before > LOGIN_STEP_HOST_KEY)
        step_passed(
            t, "host key",
            mem_printf("%s, %s", info->host_key,
                       info->host_key_known[0] != '\0' ? info->host_key_known : "accepted by ssh"));
}

static void add_whole_login(struct host_trial *t)
{
    const struct connection_info *info = &t->seen.info;

    add_login(t, LOGIN_STEP_USER);
    if (t->r.upstream->join_master == NULL)
        step_passed(
            t, "login",
            mem_printf("%s%s%s", info->user, info->user[0] != '\0' ? " by " : "", info->login));
}

static void fail_connection(struct host_trial *t, const char *error)
{
    const struct config_upstream *u = t->r.upstream;

    step_failed(t, "connection", error,
                u->join_master != NULL     ? NULL
                : u->proxy_command != NULL ? "run the ProxyCommand by hand"
                : u->jump.count > 0
                    ? "see what is said of the jump host, and whether it may connect there"
                    : "check the host's name and port, that sshd runs there, and that no firewall "
                      "is in between");
}

/* The step that a login has failed at. (Of an ssh(1) only the verdict is known.) */
static enum login_step failed_step(const struct host_trial *t, enum dial_status status)
{
    if (!t->r.upstream->by_openssh)
        return t->seen.info.step;
    return status == DIAL_HOST_KEY         ? LOGIN_STEP_HOST_KEY
           : status == DIAL_AUTHENTICATION ? LOGIN_STEP_USER
                                           : LOGIN_STEP_KEY_EXCHANGE;
}

static void fail_login(struct host_trial *t, enum dial_status status, const char *error)
{
    static const char *const names[] = {
        [LOGIN_STEP_FILES] = "host key",
        [LOGIN_STEP_KEY_EXCHANGE] = "server",
        [LOGIN_STEP_HOST_KEY] = "host key",
        [LOGIN_STEP_USER] = "login",
    };

    if (!t->seen.reached || t->r.upstream->join_master != NULL) {
        fail_connection(t, error);
        return;
    }
    add_login(t, failed_step(t, status));
    step_failed(t, names[failed_step(t, status)], error, NULL);
}

/* The end. */

static void finish_trial(struct host_trial *t)
{
    const struct host_trial_request r = t->r;
    json_t *seen =
        json_pack("{s:o, s:o, s:b, s:O}", "upstream", json_text(r.upstream->name), "host",
                  json_text(tried_label(t)), "ok", !t->failed, "steps", t->steps);

    if (r.upstream->jump.count > 0)
        json_object_set_new(seen, "jump", json_text(r.upstream->jump.items[0]));
    host_trial_free(t);
    r.done(r.arg, seen);
}

static void on_trial_ending(struct later *ending)
{
    finish_trial(container_of(ending, struct host_trial, ending));
}

/* (A session is not freed inside its events.) */
static void end_later(struct host_trial *t)
{
    later_post(t->r.room->loop, &t->ending, on_trial_ending);
}

/* Forwarding. */

#define ADVICE_PROHIBITED                                                                          \
    "see AllowTcpForwarding, DisableForwarding and PermitOpen in the server's sshd_config, and "   \
    "no-port-forwarding, restrict and permitopen in the user's authorized_keys"

static void judge_failure(struct host_trial *t, const struct open_failure *failure)
{
    char *place = trial_target_text(&t->target);
    bool prohibited = !failure->lost && failure->reason == 1; /* (RFC 4254 section 5.1) */
    char *text = mem_printf("%s: %s%s", place, prohibited ? "administratively prohibited: " : "",
                            failure->text);

    if (failure->lost || trial_target_is_refused(failure->reason, failure->text))
        step_failed(t, "forwarding", text, prohibited ? ADVICE_PROHIBITED : NULL);
    else if (t->target.configured)
        step_passed(t, "forwarding", mem_printf("allowed, but %s", text));
    else
        step_passed(t, "forwarding", mem_strdup("allowed"));
    free(text);
    free(place);
}

static void on_trial_opened(void *arg, struct endpoint *channel, const struct open_failure *failure)
{
    struct host_trial *t = arg;
    char *place = trial_target_text(&t->target);

    t->open = NULL;
    deadline_cancel(&t->patience);
    if (channel != NULL) {
        endpoint_close(channel, true);
        step_passed(t, "forwarding",
                    t->target.configured ? mem_printf("allowed, and %s answers", place)
                                         : mem_strdup("allowed"));
    } else {
        judge_failure(t, failure);
    }
    free(place);
    end_later(t);
}

static void on_open_overdue(struct deadline *patience)
{
    struct host_trial *t = container_of(patience, struct host_trial, patience);
    char *place = trial_target_text(&t->target);
    char *text = mem_printf("%s: the server does not answer within open_timeout", place);

    step_failed(t, "forwarding", text,
                "the server may wait for a name, or for a target that a firewall hides from it");
    free(text);
    free(place);
    session_open_cancel(t->open);
    t->open = NULL;
    finish_trial(t);
}

static void on_trial_session_dying(void *arg)
{
    (void)arg;
}

static void on_trial_session_lost(void *arg, const char *why)
{
    struct host_trial *t = arg;

    if (t->ending.queued) /* (all was seen) */
        return;
    step_failed(t, "forwarding", why, NULL);
    end_later(t);
}

static void on_trial_tick(struct deadline *tick)
{
    struct host_trial *t = container_of(tick, struct host_trial, tick);

    session_tick(t->session);
    deadline_arm(t->r.room->loop, &t->tick, TICK_MS, on_trial_tick);
}

static void ask_for_channel(struct host_trial *t)
{
    deadline_arm(t->r.room->loop, &t->tick, TICK_MS, on_trial_tick);
    deadline_arm(t->r.room->loop, &t->patience, t->r.upstream->open_timeout_ms, on_open_overdue);
    if (t->target.path != NULL)
        t->open = session_open_unix(t->session, t->target.path, on_trial_opened, t);
    else
        t->open = session_open_tcp(
            t->session,
            &(struct tcp_target){t->target.host, t->target.port, TRIAL_ORIGIN, TRIAL_ORIGIN_PORT},
            on_trial_opened, t);
}

/* Whether what is configured needs channels to be opened at the server; says so if not. */
static bool wants_channel(struct host_trial *t)
{
    t->target = trial_target_of(t->r.config, t->r.upstream, t->r.target);
    if (!t->target.wanted)
        step_passed(t, "forwarding",
                    mem_strdup("not tried: only the server is to listen (-R), which would begin "
                               "a forward"));
    return t->target.wanted;
}

/* Connections to a master, which the keeper makes. */

static struct session_reach *reach_for_trial(void *owner, session_reached_fn *reached, void *arg)
{
    const struct host_trial *t = owner;

    return session_reach_master(t->r.room->service, t->r.upstream->name, t->seen.info.master,
                                reached, arg);
}

static struct session_reach *cause_for_trial(void *owner, const struct refused_target *target,
                                             session_caused_fn *caused, void *arg)
{
    const struct host_trial *t = owner;

    return session_reach_cause(t->r.room->service, t->seen.info.master, target, caused, arg);
}

static const struct session_way trial_way = {
    .reach = reach_for_trial, .cause = cause_for_trial, .forget = session_reach_forget};

/* The dial. */

static void drive_session(struct host_trial *t, struct logged_in *logged_in)
{
    char *name = mem_printf("upstream %s: trial of %s", t->r.upstream->name, tried_place(t)->label);

    t->session =
        session_new(t->r.room->loop, logged_in,
                    &(struct session_options){.name = name,
                                              .keepalive_ms = t->r.upstream->keepalive_ms,
                                              .keepalive_max = t->r.upstream->keepalive_max,
                                              .dying = on_trial_session_dying,
                                              .lost = on_trial_session_lost,
                                              .way = &trial_way,
                                              .arg = t});
    free(name);
    if (t->session != NULL) {
        ask_for_channel(t);
        return;
    }
    logged_in_free(logged_in);
    step_failed(t, "forwarding", "no descriptors are left", "raise the limit (ulimit -n)");
    finish_trial(t);
}

static void on_trial_dialled(void *arg, int slot, enum dial_status status,
                             struct logged_in *logged_in, const char *error)
{
    struct host_trial *t = arg;

    (void)slot;
    t->attempt = NULL;
    if (logged_in == NULL) {
        fail_login(t, status, error);
        finish_trial(t);
        return;
    }
    t->seen.info = *logged_in_info(logged_in);
    add_whole_login(t);
    if (wants_channel(t)) {
        drive_session(t, logged_in);
        return;
    }
    logged_in_free(logged_in);
    finish_trial(t);
}

static void dial_tried(struct host_trial *t)
{
    t->attempt = dial_attempt_start(&(struct dial_attempt_request){
        .room = t->r.room,
        .config = t->r.config,
        .upstream = t->r.upstream,
        .place = t->places.items[t->r.index],
        .slot = -1,
        .programs = &t->programs,
        .seen = &t->seen,
        .done = on_trial_dialled,
        .arg = t,
    });
}

/* The one place of the trial is the host that SRV records name, if they do. */
static void begin_by_srv(struct host_trial *t)
{
    const struct host_trial_request *r = &t->r;

    if (r->srv == NULL) {
        step_failed(t, "hosts", r->srv_wrong,
                    "ask this machine's resolver for the SRV records by hand");
        end_later(t);
        return;
    }
    places_change(&t->places, r->upstream, r->srv, 1);
    step_passed(t, "hosts",
                mem_printf("%zu of %zu by SRV records (priority %u, weight %u)", r->srv_number,
                           r->srv_count, r->srv->priority, r->srv->weight));
    dial_tried(t);
}

struct host_trial *host_trial_start(const struct host_trial_request *request)
{
    struct host_trial *t = mem_zalloc(sizeof(*t));

    t->r = *request;
    config_ref(t->r.config);
    t->hosts = host_backoffs_new();
    places_init(&t->places, t->hosts, t->r.upstream);
    t->places.quiet = true;
    t->steps = json_array();
    if (t->r.srv != NULL || t->r.srv_wrong != NULL)
        begin_by_srv(t);
    else
        dial_tried(t);
    t->r.srv = NULL; /* (they are the caller's) */
    t->r.srv_wrong = NULL;
    return t;
}

void host_trial_cancel(struct host_trial *t)
{
    if (t == NULL)
        return;
    if (t->attempt != NULL)
        dial_attempt_cancel(t->attempt);
    host_trial_free(t);
}
