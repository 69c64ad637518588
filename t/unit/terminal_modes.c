/* The modes of a terminal, as a server reads them (RFC 4254 section 8). */
#include "io/terminal_modes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

/* The value of a mode; -1: it is not there. */
static int64_t mode(const uint8_t *modes, size_t length, uint8_t number)
{
    for (size_t i = 0; i + 5 <= length; i += 5)
        if (modes[i] == number)
            return (int64_t)modes[i + 1] << 24 | modes[i + 2] << 16 | modes[i + 3] << 8 |
                   modes[i + 4];
    return -1;
}

static int open_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    int slave;

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    return slave; /* (the master lasts as long as this process) */
}

static void a_terminal_s_modes_are_all_there(void **state)
{
    (void)state;
    uint8_t modes[TERMINAL_MODES_MAX];
    int terminal = open_terminal();
    struct termios t;

    assert_int_equal(tcgetattr(terminal, &t), 0);
    t.c_cc[VINTR] = 0x18;
    t.c_cc[VQUIT] = _POSIX_VDISABLE;
    t.c_iflag &= (tcflag_t)~IXON;
    t.c_iflag |= IUTF8;
    t.c_lflag |= ECHO;
    t.c_lflag &= (tcflag_t)~ICANON;
    t.c_oflag |= OPOST;
    cfsetospeed(&t, B19200);
    cfsetispeed(&t, B19200);
    assert_int_equal(tcsetattr(terminal, TCSANOW, &t), 0);

    size_t length = terminal_modes(terminal, modes);
    assert_true(length <= sizeof(modes));
    assert_int_equal(length % 5, 1);
    assert_int_equal(modes[length - 1], 0);
    for (size_t i = 0; i + 5 <= length; i += 5)
        assert_true(modes[i] >= 1 && modes[i] < 160);
    assert_int_equal(mode(modes, length, 1), 0x18);
    assert_int_equal(mode(modes, length, 2), 255);
    assert_int_equal(mode(modes, length, 38), 0);
    assert_int_equal(mode(modes, length, 42), 1);
    assert_int_equal(mode(modes, length, 51), 0);
    assert_int_equal(mode(modes, length, 53), 1);
    assert_int_equal(mode(modes, length, 70), 1);
    assert_int_equal(mode(modes, length, 91), 1);
    assert_int_equal(mode(modes, length, 128), 19200);
    assert_int_equal(mode(modes, length, 129), 19200);
    close(terminal);
}

static void what_is_no_terminal_has_none(void **state)
{
    (void)state;
    uint8_t modes[TERMINAL_MODES_MAX];
    int null = open("/dev/null", O_RDONLY);

    assert_int_equal(terminal_modes(null, modes), 1);
    assert_int_equal(modes[0], 0);
    assert_int_equal(terminal_modes(-1, modes), 1);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_s_modes_are_all_there),
        cmocka_unit_test(what_is_no_terminal_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
