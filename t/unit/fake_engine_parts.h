/* The fake engine's inside, for its own files. */
#ifndef ADIT_T_FAKE_ENGINE_PARTS_H
#define ADIT_T_FAKE_ENGINE_PARTS_H

#include "fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Around each operation that must not be called from inside a data event. */
void fake_operation_begin(const char *name);
void fake_operation_end(void);

/* Before an event: no operation and no data event is on the stack. */
void fake_event_begin(void);

struct fake_channel *fake_channel_new(struct fake_session *session);

/* login.h's session_new. */
struct session *fake_session_new(struct loop *loop, struct logged_in *logged_in,
                                 const struct session_options *options);

#endif
