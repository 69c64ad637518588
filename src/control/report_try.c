/* What a trial has seen, for a person. */
#include "control/report.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "control/protocol.h"

#include <stdlib.h>

/* How far the texts of the steps are indented, whose names fill the room before. */
#define STEP_INDENT 22

static void print_step(FILE *out, const json_t *step)
{
    bool ok = json_is_true(json_object_get(step, "ok"));
    const char *text = control_text(step, ok ? "seen" : "reason");
    const char *advice = control_text(step, "advice");
    const char *name = control_text(step, "step");
    char *line = mem_printf("  %-11s %-6s  %s", name != NULL ? name : "?", ok ? "ok" : "FAILED",
                            text != NULL ? text : "");

    report_line(out, line);
    free(line);
    if (advice == NULL)
        return;
    line = mem_printf("%*s%s", STEP_INDENT, "", advice);
    report_line(out, line);
    free(line);
}

void report_try(FILE *out, const json_t *seen)
{
    const char *upstream = control_text(seen, "upstream"), *host = control_text(seen, "host");
    const char *jump = control_text(seen, "jump");
    const json_t *step;
    size_t i;
    char *head = mem_printf("%s, host %s%s%s: %s", upstream != NULL ? upstream : "?",
                            host != NULL ? host : "?", jump != NULL ? ", behind " : "",
                            jump != NULL ? jump : "",
                            json_is_true(json_object_get(seen, "ok")) ? "all is well" : "FAILED");

    report_line(out, head);
    free(head);
    json_array_foreach(json_object_get(seen, "steps"), i, step) print_step(out, step);
}

void report_tries(FILE *out, const json_t *answer)
{
    const json_t *seen;
    size_t i;

    json_array_foreach(json_object_get(answer, "tries"), i, seen) report_try(out, seen);
}

void report_json(FILE *out, const json_t *answer)
{
    json_dumpf(answer, out, JSON_TEXT_FLAGS | JSON_INDENT(2));
    fputc('\n', out);
}
