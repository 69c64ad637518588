/* Events as lines of JSON. */
#include "gateway/events.h"

#include "base/json_text.h"
#include "gateway/pool.h"

#include <time.h>

/* "upstream-up", ... */
static const char *event_name(enum event_kind kind)
{
    static const char *const names[] = {
        "upstream-up", "upstream-down", "session-up", "session-lost", "session-closed",
        "forward-up",  "forward-down",  "drain",      "reload",       "reload-refused",
    };

    return names[kind];
}

static double seconds_now(void)
{
    struct timespec now;
    long milliseconds;

    clock_gettime(CLOCK_REALTIME, &now);
    milliseconds = now.tv_nsec / 1000000;
    return (double)now.tv_sec + (double)milliseconds / 1000;
}

static void add_word(json_t *line, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(line, key, json_text(text));
}

json_t *event_json(const struct event *event)
{
    json_t *line = json_pack("{s:f, s:s}", "time", seconds_now(), "event", event_name(event->kind));

    add_word(line, "upstream", event->upstream);
    if (event->host != NULL)
        json_object_set_new(line, "session", json_integer(event->session));
    add_word(line, "host", event->host);
    add_word(line, "forward", event->forward);
    add_word(line, "reason", event->reason);
    return line;
}

bool events_session(struct pool_room *room, const struct event *event, bool known_up, bool up)
{
    if (room->happened == NULL)
        return up;
    room->happened(room, event);
    if (up != known_up)
        room->happened(room, &(struct event){.kind = up ? EVENT_UPSTREAM_UP : EVENT_UPSTREAM_DOWN,
                                             .upstream = event->upstream,
                                             .reason = event->reason});
    return up;
}
