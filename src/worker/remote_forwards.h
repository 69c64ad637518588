/* Remote forwards on the worker whose session holds them: what its server is asked to listen on,
 * and the clients that come in by it. The orders come by worker_send_listen (worker/worker.h).
 * Worker's thread only. */
#ifndef ADIT_WORKER_REMOTE_FORWARDS_H
#define ADIT_WORKER_REMOTE_FORWARDS_H

struct worker_session;

/* The session ends: its server is asked to listen no more, and the forwards are forgotten. */
void remote_listens_end(struct worker_session *ws);

#endif
