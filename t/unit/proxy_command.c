/* Tests of io/proxy_command. */
#include "io/proxy_command.h"
#include "io_test.h"

#include <errno.h>

static int exits;
static bool all_exited;

static void on_exited(void *arg, int status, int signal)
{
    (void)arg;
    (void)signal;
    assert_int_equal(status, 3);
    exits++;
    all_exited = true;
}

static struct proxy_command *start(struct proxy_commands *all, struct quota *quota,
                                   int ends[static 2])
{
    return proxy_command_start(
        all, &(struct proxy_command_request){"sh -c 'read line; exit 3'", quota, on_exited, NULL},
        ends);
}

static void close_both(const int ends[static 2])
{
    close(ends[0]);
    close(ends[1]);
}

/* Of one quota; those that were left count for as long as they run. */
static void there_are_so_many_at_most(void **state)
{
    struct loop *loop = loop_new();
    struct proxy_commands *all = proxy_commands_new(loop);
    struct quota *ours = quota_new(2), *theirs = quota_new(1);
    int left[2], second[2], third[2], others[2];
    struct proxy_command *command = start(all, ours, left);

    (void)state;
    assert_non_null(command);
    proxy_command_leave(command);
    assert_non_null(start(all, ours, second));
    assert_null(start(all, ours, third));
    assert_int_equal(errno, EAGAIN);
    assert_non_null(start(all, theirs, others));
    assert_null(start(all, theirs, third));
    close_both(second);
    run_until(loop, &all_exited);
    assert_int_equal(exits, 1);
    assert_non_null(start(all, ours, third));
    quota_unref(ours);
    quota_unref(theirs);
    proxy_commands_free(all);
    close_both(left);
    close_both(third);
    close_both(others);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_so_many_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
