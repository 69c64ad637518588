/* The programs that the keeper runs for one session: its ProxyCommand, and the ssh(1) that carries
 * it. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_PROGRAMS_H
#define ADIT_GATEWAY_DIAL_PROGRAMS_H

#include "gateway/dial_command.h"
#include "gateway/dial_own_master.h"

struct dial_programs {
    struct dial_command *proxy;     /* NULL: none */
    struct dial_own_master *master; /* likewise */
};

/* Ends both. */
static inline void dial_programs_hang_up(struct dial_programs *programs)
{
    dial_own_master_hang_up(programs->master);
    dial_command_hang_up(programs->proxy);
    *programs = (struct dial_programs){0};
}

/* The same for a session that goes on: they end with it. */
static inline void dial_programs_leave(struct dial_programs *programs)
{
    dial_own_master_leave(programs->master);
    dial_command_leave(programs->proxy);
    *programs = (struct dial_programs){0};
}

#endif
