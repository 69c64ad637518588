/* Who is at the other end of the control socket. Any thread. */
#ifndef ADIT_CONTROL_PEER_H
#define ADIT_CONTROL_PEER_H

/* Why the client at the socket is refused, in words for it; NULL: it may send requests, as it is of
 * root or of the user that runs this process. A refusal is logged. */
const char *control_peer_refusal(int fd);

#endif
