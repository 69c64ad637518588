/* Signals as events of a loop. */
#include "io/signals.h"

#include "io_test.h"

#include <signal.h>

static const int numbers[] = {SIGUSR1, SIGUSR2};
#define COUNT (sizeof(numbers) / sizeof(numbers[0]))

struct heard {
    struct signals *signals;
    int usr1, usr2;
    bool any, both;
    bool free_inside;
};

static void caught(void *arg, int number)
{
    struct heard *heard = arg;

    heard->usr1 += number == SIGUSR1;
    heard->usr2 += number == SIGUSR2;
    heard->any = true;
    heard->both = heard->usr1 > 0 && heard->usr2 > 0;
    if (heard->free_inside) {
        signals_free(heard->signals);
        heard->signals = NULL;
    }
}

static void what_came_while_nobody_listened_is_told(void **state)
{
    struct loop *loop = loop_new();
    struct heard heard = {0};

    (void)state;
    kill(getpid(), SIGUSR1);
    heard.signals = signals_new(loop, numbers, COUNT, caught, &heard);
    run_until(loop, &heard.any);
    assert_int_equal(heard.usr1, 1);
    signals_free(heard.signals);
    loop_free(loop);
}

static void each_signal_is_told_apart(void **state)
{
    struct loop *loop = loop_new();
    struct heard heard = {0};

    (void)state;
    heard.signals = signals_new(loop, numbers, COUNT, caught, &heard);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    run_until(loop, &heard.both);
    assert_int_equal(heard.usr1, 1);
    assert_int_equal(heard.usr2, 1);
    signals_free(heard.signals);
    loop_free(loop);
}

/* A process that is signalled all the time still gets its turns. */
static void a_flood_does_not_starve_the_loop(void **state)
{
    struct loop *loop = loop_new();
    struct heard heard = {0};
    pid_t flooder;

    (void)state;
    heard.signals = signals_new(loop, numbers, COUNT, caught, &heard);
    flooder = fork();
    if (flooder == 0) {
        while (kill(getppid(), SIGUSR1) == 0 && kill(getppid(), SIGUSR2) == 0)
            ;
        _exit(0);
    }
    run_until(loop, &heard.both);
    assert_true(run_for(loop, 200) > 0);
    kill(flooder, SIGKILL);
    signals_free(heard.signals);
    loop_free(loop);
}

static void may_be_freed_when_one_is_told(void **state)
{
    struct loop *loop = loop_new();
    struct heard heard = {.free_inside = true};

    (void)state;
    heard.signals = signals_new(loop, numbers, COUNT, caught, &heard);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    run_until(loop, &heard.any);
    run_now(loop);
    assert_int_equal(heard.usr1 + heard.usr2, 1);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_while_nobody_listened_is_told),
        cmocka_unit_test(each_signal_is_told_apart),
        cmocka_unit_test(a_flood_does_not_starve_the_loop),
        cmocka_unit_test(may_be_freed_when_one_is_told),
    };

    signals_hold(numbers, COUNT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
