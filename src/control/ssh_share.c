/* A master's forwards, for as long as this process or the master lasts. */
#include "control/ssh_share.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "control/report.h"
#include "control/ssh_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Prints why, which is freed. */
static void print_share_failure(const json_t *answer, char *why, const char *then)
{
    const json_t *problem;
    size_t i;

    json_array_foreach(json_object_get(answer, "problems"), i, problem)
        report_line(stderr, json_string_value(problem));
    fputs("adit: ", stderr);
    report_line(stderr, why);
    if (then != NULL)
        fprintf(stderr, "adit: %s\n", then);
    free(why);
}

static void print_ports(const json_t *answer)
{
    const json_t *port;
    size_t i;

    json_array_foreach(json_object_get(answer, "allocated"), i, port)
        printf("%lld\n", (long long)json_integer_value(port));
    fflush(stdout);
}

/* Keeps the forwards until one of the two processes ends. */
static int share_ssh_until_end(struct ssh_master *master, const struct control_order *order)
{
    json_t *answer = json_object();
    int status = EXIT_SSH;

    if (ssh_master_wait(master)) {
        char *why = ssh_order_cancel(master, order, answer);
        status = EXIT_SUCCESS;
        if (why != NULL)
            print_share_failure(answer, why, NULL);
    } else {
        char *text = mem_printf("adit: the ssh master at %s has ended", order->path);
        report_line(stderr, text);
        free(text);
    }
    json_decref(answer);
    return status;
}

int ssh_share(const struct control_order *order, bool background)
{
    static const char alone[] = "the tunnel has its own connection instead, as ssh would";
    json_t *answer = json_object();
    char *why;
    int status = -1;
    struct ssh_master *master = ssh_master_open(order->path, &why);

    if (master != NULL)
        why = ssh_order_forward(master, order, answer);
    print_ports(answer);
    if (why != NULL)
        print_share_failure(answer, why, alone);
    else
        status = background ? EXIT_SUCCESS : share_ssh_until_end(master, order);
    json_decref(answer);
    ssh_master_free(master);
    return status;
}

int ssh_share_stdio(const char *path, const struct config_place *target)
{
    char *why;
    struct ssh_master *master = ssh_master_open(path, &why);
    int status = EXIT_SSH;

    if (master == NULL) {
        print_share_failure(NULL, why, "-W has its own connection instead, as ssh would");
        return -1;
    }
    why = ssh_master_stdio(master, target, STDIN_FILENO, STDOUT_FILENO);
    if (why == NULL) {
        ssh_master_wait(master);
        status = EXIT_SUCCESS;
    } else {
        char *place = place_print(target);
        char *text = mem_printf("adit: -W %s: %s", place, why);
        report_line(stderr, text);
        free(text);
        free(place);
        free(why);
    }
    ssh_master_free(master);
    return status;
}
