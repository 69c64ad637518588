/* Probes: places where bpftrace(8), perf(1) or SystemTap can look into a running adit ("USDT"). One
 * that no tracer watches is a nop, and its arguments are values that are there anyway. They are in
 * a build that found sys/sdt.h (Debian: systemtap-sdt-dev); in other builds they are nothing. Any
 * thread. contrib/bpftrace has examples. Texts are C strings.
 *
 * - connection_start(number): a connection begins; adit's own (internal) ones are among them.
 * - connection_end(number, outcome, from_client, to_client): the outcome as in the access line, and
 *   the bytes that were relayed.
 * - dial_start(upstream, slot, host): a login to an SSH server begins.
 * - dial_end(upstream, slot, status): "ok", what failed, or "cancelled".
 * - session_up(upstream, slot): the session can carry channels.
 * - session_lost(upstream, slot, why): `why` is "" if the session was meant to end.
 * - channel_ask(open, host, port): the server is asked for a channel; `open` tells one from another
 *   until its answer.
 * - channel_answer(open, opened, reason): the reason of RFC 4254 section 5.1 if it was not opened.
 *   An open that was abandoned has no answer. */
#ifndef ADIT_BASE_PROBE_H
#define ADIT_BASE_PROBE_H

#ifdef ADIT_PROBES
#include <sys/sdt.h>

#define PROBE_1(name, a) DTRACE_PROBE1(adit, name, a)
#define PROBE_2(name, a, b) DTRACE_PROBE2(adit, name, a, b)
#define PROBE_3(name, a, b, c) DTRACE_PROBE3(adit, name, a, b, c)
#define PROBE_4(name, a, b, c, d) DTRACE_PROBE4(adit, name, a, b, c, d)
#else
#define PROBE_1(name, a) ((void)sizeof(a))
#define PROBE_2(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define PROBE_3(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define PROBE_4(name, a, b, c, d)                                                                  \
    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#endif

#define probe_connection_start(number) PROBE_1(connection_start, number)
#define probe_connection_end(number, outcome, from_client, to_client)                              \
    PROBE_4(connection_end, number, outcome, from_client, to_client)
#define probe_dial_start(upstream, slot, host) PROBE_3(dial_start, upstream, slot, host)
#define probe_dial_end(upstream, slot, status) PROBE_3(dial_end, upstream, slot, status)
#define probe_session_up(upstream, slot) PROBE_2(session_up, upstream, slot)
#define probe_session_lost(upstream, slot, why) PROBE_3(session_lost, upstream, slot, why)
#define probe_channel_ask(open, host, port) PROBE_3(channel_ask, open, host, port)
#define probe_channel_answer(open, opened, reason) PROBE_3(channel_answer, open, opened, reason)

#endif
