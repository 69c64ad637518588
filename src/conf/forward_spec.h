/* Forwards as ssh writes them: what follows -L, -R, -D and -W, and the values of LocalForward,
 * RemoteForward and DynamicForward (ssh(1), ssh_config(5)). Nothing is opened or looked up but
 * names of ports, in services(5). */
#ifndef ADIT_CONF_FORWARD_SPEC_H
#define ADIT_CONF_FORWARD_SPEC_H

#include "conf/config.h"

#include <stdbool.h>
#include <stddef.h>

#define FORWARD_ERROR_MAX 400

/* "local", "remote", "dynamic", by enum forward_kind; then NULL. */
extern const char *const forward_kinds[];

/* Reads one forward and sets `kind`, `bind` and `target` of `forward`; whatever else is in it
 * stays.
 *
 *     FORWARD_LOCAL    [BIND:]PORT:HOST:HOSTPORT   [BIND:]PORT:/SOCKET
 *                      /SOCKET:HOST:HOSTPORT       /SOCKET:/SOCKET
 *     FORWARD_REMOTE   the same; also with port 0 (the server picks); or [BIND:]PORT or /SOCKET
 *                      alone, which serves SOCKS to the far side and has neither target.host nor
 *                      target.path
 *     FORWARD_DYNAMIC  [BIND:]PORT   /SOCKET
 *
 * Between the two ends a blank is as good as a colon, so that this reads what ssh -G prints
 * (`5432 [localhost]:5432`, and `1080 [socks]:0` for a remote forward that serves SOCKS). A part in
 * square brackets is taken as it is, elsewhere a backslash takes away the meaning of what follows;
 * any part with a slash is a path. bind.host is "" where none was given, and "*" where it was given
 * as "*" or as nothing (":8080:host:80"), which to ssh is the same.
 *
 * False: `error` says why, and nothing is set. */
bool forward_spec_parse(enum forward_kind kind, const char *text, struct config_forward *forward,
                        char *error, size_t error_size);

/* Texts in which blanks may be part of a path, as forward_spec_parse reads them; the caller frees.
 *
 * The value of -L, -R or -D: no blank in it stands between the two ends. */
char *forward_text_of_argument(const char *text);
/* What ssh -G prints of a LocalForward or RemoteForward, "BIND TARGET", where nothing is quoted. A
 * blank behind a path, or before one, ends it where there is only one such place; else the text
 * stays as it is. */
char *forward_text_of_answer(const char *text);

/* Reads what follows -W: HOST:PORT, or a path. */
bool forward_spec_parse_stdio(const char *text, struct config_place *target, char *error,
                              size_t error_size);

/* "BIND TARGET", or "BIND" where there is no target, which forward_spec_parse reads back to the
 * same; the caller frees. */
char *forward_spec_print(const struct config_forward *forward);

/* One end as messages name it: "5432", "[::1]:5432", "db.internal:5432", "/run/x.sock"; the caller
 * frees. */
char *place_print(const struct config_place *place);

void place_clear(struct config_place *place);

/* Appends to an array what listening at `bind` means on this machine: 127.0.0.1 and ::1 for "" and
 * "localhost", 0.0.0.0 and :: for "*" (of both the second is optional), an address itself, a path.
 * False: it is none of these, and nothing is appended. (With ssh's -g a bind of "" is to be made
 * "*" before.) */
bool addresses_append(const struct config_place *bind, struct config_address **addresses,
                      size_t *count);

/* Whether both are of a kind and between the same ends. */
bool forward_spec_same(const struct config_forward *a, const struct config_forward *b);

#endif
