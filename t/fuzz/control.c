/* Fuzzes the lines of the control socket, and what is printed of them as answers. */
#include "control/protocol.h"
#include "control/report.h"

#include "prefix.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX ((size_t)4096)

static json_t *object;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    struct control_line line = {0};
    enum wire_status status = control_parse(bytes, length, MAX, &line);

    json_decref(object);
    object = line.object;
    *used = line.used;
    return status;
}

/* What was printed can be read back to the same, and takes one line. */
static void check_printed(void)
{
    char *line = control_print(object);
    struct control_line parsed = {0};
    enum wire_status status = control_parse((uint8_t *)line, strlen(line), 16 * MAX, &parsed);

    assert(status == WIRE_OK && parsed.used == strlen(line) && json_equal(object, parsed.object));
    json_decref(parsed.object);
    free(line);
}

static void check_reports(void)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    report_status(out, object);
    report_conninfo(out, object);
    fclose(out);
    for (size_t i = 0; i < length; i++)
        assert((uint8_t)text[i] >= ' ' || text[i] == '\n');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;
    enum wire_status status = check_prefixes(parse, data, size, &used);

    assert(parse_exactly(parse, data, size, &used) == status);
    if (status == WIRE_OK) {
        assert(data[used - 1] == '\n' && used - 1 <= MAX && json_is_object(object));
        check_printed();
        check_reports();
    } else {
        assert(object == NULL && (status == WIRE_BAD || size <= MAX));
    }
    json_decref(object);
    object = NULL;
    return 0;
}
