/* Texts and all the problems that loading them reports, for the tests of src/conf. */
#ifndef ADIT_T_CONFIG_PROBLEMS_H
#define ADIT_T_CONFIG_PROBLEMS_H

#include "load_text.h"

struct error_case {
    const char *text;     /* of the file; its name is "f" */
    const char *problems; /* all of them, a line each */
};

static inline void assert_problems(const struct error_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *problems = load_problems(cases[i].text, NULL);
        assert_string_equal(problems, cases[i].problems);
        free(problems);
    }
}
#define ASSERT_PROBLEMS(cases) assert_problems(cases, sizeof(cases) / sizeof((cases)[0]))

/* Texts of 10, 48 and 190 bytes. */
#define X10 "xxxxxxxxxx"
#define X48 X10 X10 X10 X10 "xxxxxxxx"
#define X190 X48 X48 X48 X10 X10 X10 X10 "xxxxxx"

#endif
