/* Messages to a service manager (sd_notify(3)), where there is one. Main thread. */
#ifndef ADIT_IO_NOTIFY_H
#define ADIT_IO_NOTIFY_H

/* Sends "READY=1", "STATUS=...", several with a newline between, to $NOTIFY_SOCKET; does nothing
 * without it, and ignores errors: a service does not fail because its manager does not listen. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time that systemd.service(5) wants with it; READY=1 ends the reload. */
void notify_reloading(void);

#endif
