/* What a session's channels write: how much it takes, what waits for the turn's end or for a key
 * exchange, and how it is sent. */
#include "session_libssh/libssh_session.h"

#include "session_libssh/transport.h"

/* How many bytes may be queued behind a key exchange before the channels have to wait. */
#define QUEUED_MAX ((uint64_t)256 * 1024)

/* How many bytes may be written in a turn; they are sent at its end, in one piece. */
#define FRESH_MAX ((uint64_t)128 * 1024)

/* How many packets with answers a server may leave unread: some 4 MB. */
#define UNREAD_MAX 65536

/* How many packets may come in while none goes out before adit tries whether any can. During a key
 * exchange libssh keeps its answers, at 150 bytes each: these are some 40 MB. */
#define UNANSWERED_MAX 262144

static void log_rekey(struct libssh_session *s, bool is_held_up)
{
    if (is_held_up == s->rekey.is_logged)
        return;
    s->rekey.is_logged = is_held_up;
    session_debug(s, "%s",
                  is_held_up ? "a key exchange holds up writes" : "the key exchange is over");
}

void session_wrote(struct libssh_session *s, uint32_t length, uint64_t packets)
{
    /* In a key exchange "written" packets are queued where no status shows them. */
    s->rekey.queued = s->packets.out_packets == packets && packets == s->rekey.queued_behind
                          ? s->rekey.queued + length
                          : 0;
    s->rekey.queued_behind = s->packets.out_packets;
    s->writing.fresh += length;
    log_rekey(s, s->rekey.queued > 0);
}

void session_write_refused(struct libssh_session *s, bool has_window)
{
    /* With a window that means a key exchange, which only the server's packets bring further. */
    s->rekey.blocked = has_window;
    s->rekey.blocked_at = s->packets.in_packets;
    if (has_window)
        log_rekey(s, true);
}

void session_heard(struct libssh_session *s)
{
    if (s->packets.in_packets != s->rekey.blocked_at)
        s->rekey.blocked = false;
}

/* More would have to wait for the kernel, or for this turn's end. */
bool session_is_full(const struct libssh_session *s)
{
    return s->writing.backlog || s->writing.fresh >= FRESH_MAX;
}

bool session_congested(const struct libssh_session *s)
{
    bool rekeying = s->rekey.blocked || (s->rekey.queued >= QUEUED_MAX &&
                                         s->packets.out_packets == s->rekey.queued_behind);

    return rekeying || session_is_full(s) || s->end.breached;
}

size_t session_room(const struct libssh_session *s)
{
    return session_congested(s) ? 0 : (size_t)(FRESH_MAX - s->writing.fresh);
}

/* While the server does not read, channels write nothing: what is queued then are answers, to
 * requests and opens that it goes on sending. */
static void note_backlog(struct libssh_session *s, bool backlog)
{
    if (!s->writing.backlog)
        s->writing.backlog_from = s->packets.out_packets;
    s->writing.backlog = backlog;
    if (backlog && s->packets.out_packets - s->writing.backlog_from > UNREAD_MAX)
        session_breach(s, "the server asks and does not read the answers");
}

/* Until the server answers our KEXINIT libssh queues what it answers to requests and opens, where
 * neither a limit nor a status knows of it. No server that keeps to the protocol sends so much
 * before it reads the KEXINIT. */
static void check_rekey(struct libssh_session *s)
{
    if (s->packets.out_packets == s->rekey.silent_at) {
        if (s->packets.in_packets - s->rekey.silent_from <= UNANSWERED_MAX)
            return;
        ssh_send_ignore(s->handle, "");
        if (s->packets.out_packets == s->rekey.silent_at)
            session_breach(s, "the server asks on and does not answer the key exchange");
    }
    s->rekey.silent_at = s->packets.out_packets;
    s->rekey.silent_from = s->packets.in_packets;
}

void session_flush(struct libssh_session *s)
{
    check_rekey(s);
    if ((ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0) {
        transport_let_out(true);
        session_poll(s);
        transport_let_out(false);
    }
    s->writing.fresh = 0;
    note_backlog(s, (ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0);
}

void session_farewell(struct libssh_session *s)
{
    transport_let_out(true);
    session_poll(s);
    session_poll(s);
    transport_let_out(false);
}
