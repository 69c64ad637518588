/* Tests of policy/password_prompt. */
#include "policy/password_prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void each_prompt_is_told(void **state)
{
    static const struct prompt_case {
        const char *prompt;
        bool is;
    } cases[] = {
        {"Password: ", true},
        {"Password:", true},
        {"password", true},
        {"Passwort: ", true},
        {"PASSWORD FOR ada:", true},
        {"ada's password: ", true},
        {"ada's password:\n", true},
        {"Verification code: ", false},
        {"One-time password: ", false},
        {"Password (OTP): ", false},
        {"Password and token: ", false},
        {"Your password, please", false},
        {"Duo: 1. Push 2. Phone", false},
        {"", false},
        {"pass", false},
        {" ", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (password_prompt_is(cases[i].prompt) != cases[i].is)
            fail_msg("'%s'", cases[i].prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_prompt_is_told),
    };

    return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
