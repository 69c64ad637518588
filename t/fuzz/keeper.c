/* Plays a gateway that was taken over, and sends any bytes: packets, each behind two bytes of its
 * length. What the keeper makes of them differs from its configuration in forwards alone, and goes
 * to the gateway as it is. */
#include "base/mem.h"
#include "conf/serialise.h"
#include "keeper/change.h"
#include "wire/login_line.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"
                           "[listen b]\naddress = 127.0.0.1:1080\n"
                           "[forward web]\nlocal = 8080 web:80\n";

static void no_hosts(struct config *config)
{
    (void)config;
}

/* All of the configuration but its forwards; the caller frees. */
static char *rest_of(const struct config *config)
{
    char *all = config_serialise(config, true);
    char *forwards = strstr(all, "\nsection \"forward\"");
    char *resolve = strstr(all, "\nsection \"resolve\"");

    if (forwards != NULL && resolve != NULL && forwards < resolve)
        memmove(forwards, resolve, strlen(resolve) + 1);
    return all;
}

/* Makes the change; takes over the configuration, and returns the one in use then. */
static struct config *change(struct config *config, const struct change_request *request)
{
    static const struct change_sources sources = {.find_hosts = no_hosts};
    struct change_result result;
    char *sent;

    change_make(&sources, config, request, -1, &result);
    if (result.config == NULL) {
        assert(result.error[0] != '\0');
        return config;
    }
    char *before = rest_of(config);
    char *after = rest_of(result.config);
    assert(strcmp(before, after) == 0 && "only forwards change");
    free(before);
    free(after);
    sent = config_serialise(result.config, true);
    struct config *restored = config_restore(sent);
    assert(restored != NULL && "the gateway can read what it is sent");
    config_unref(restored);
    free(sent);
    config_unref(config);
    return result.config;
}

/* One packet. (A reload, which reads files, is another matter.) */
static struct config *take(struct config *config, struct span packet)
{
    struct keeper_message message;
    struct change_request request;

    if (!keeper_message_parse(packet, false, true, &message))
        return config;
    assert(message.kind >= GATEWAY_READY && message.kind < KEEPER_MESSAGE_KINDS);
    if (message.kind == GATEWAY_CHANGE) {
        if (change_request_read(&message, &request) && request.kind != CONFIG_RELOAD)
            config = change(config, &request);
        change_request_clear(&request);
        return config;
    }
    for (size_t i = 0; i < message.text_count; i++) {
        struct span taken = keeper_message_text(&message);
        assert(taken.length == 0 || memchr(taken.bytes, 0, taken.length) == NULL);
    }
    return config;
}

/* The same bytes over a login line: what is read is written as the same bytes again. */
static void take_login(struct span packet, bool from_gateway)
{
    struct login_message message;
    struct buffer again = {0};

    if (!login_message_parse(packet, from_gateway, &message))
        return;
    assert(login_message_write(&again, &message));
    assert(buffer_length(&again) == packet.length &&
           memcmp(buffer_data(&again), packet.bytes, packet.length) == 0);
    buffer_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_problems problems = {0};
    struct config *config = config_load_text("t.ini", text, sizeof(text) - 1, &problems);

    assert(config != NULL);
    while (size >= 2) {
        size_t length = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        config = take(config, (struct span){data, length});
        take_login((struct span){data, length}, true);
        take_login((struct span){data, length}, false);
        data += length;
        size -= length;
    }
    config_unref(config);
    return 0;
}
