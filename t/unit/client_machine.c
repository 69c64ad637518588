/* Tests of worker/client_machine: every cell of the table, and what holds for all of them. */
#include "worker/client_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The table as it should be. A cell is the next state by its first three letters, then behind "+"
 * the actions by these letters, then behind ":" the outcome of a refusal:
 *
 *   k keep      t tell bound   R route      u look up   m move             a answer     g linger
 *   d drop      B begin        N route on   n connect   o open             y relay      E end
 *   x reset     p parse        C choose     w wait      b bind             X exchange   D discard
 *   r refuse    c check                                 f open elsewhere   e renew
 *                                                       v open next
 *
 * or "-" and why there can be no such event, as a letter of `reasons`. */
static const char action_letters[] = "kdxrtBpcRNCunwmofvbayXegED";

static const struct {
    char letter;
    const char *text;
} reasons[] = {
    {'0', "an action that finds nothing out raises no event"},
    {'A', "only asking reads the request"},
    {'R', "only routing decides where to go"},
    {'W', "only answering tells the client of success"},
    {'?', "what it answers was not asked for, or was cancelled when its state ended"},
    {'o', "no channel is being opened"},
    {'d', "no deadline runs in this state"},
    {'l', "no deadline runs in this state: what is awaited has a time limit of its own"},
    {'m', "the state ends before another event from outside is handled"},
    {'n', "the client is in no loop, and the kernel keeps what comes meanwhile"},
    {'y', "the relay or the exchange has the client's endpoint"},
    {'x', "no HTTP exchange is under way"},
    {'f', "the client is freed"},
};

#define COLUMNS_MAX 6

struct part {
    enum client_event columns[COLUMNS_MAX];
    size_t column_count;
    const char *rows;
};

/* clang-format off */
static const struct part parts[] = {
    {{CLIENT_NOTHING, CLIENT_BYTES, CLIENT_EOF, CLIENT_CLOSED, CLIENT_FAILED, CLIENT_TAKEN}, 6,
    "idle        -0       ask+kBp  end+D    end+D    end+D    idl\n"
    "asking      -0       ask+kp   ask+p    end+E    end+xE   ask\n"
    "checking    -0       che+k    che      end+E    end+xE   che\n"
    "routing     -0       -m       -m       -m       -m       -m\n"
    "resolving   -0       res+k    res      end+E    end+xE   res\n"
    "waiting     -0       wai+k    wai      end+E    end+xE   wai\n"
    "moving      -0       -n       -n       -n       end+xE   -n\n"
    "connecting  -0       con+k    con      end+E    end+xE   con\n"
    "opening     -0       ope+k    ope      end+E    end+xE   ope\n"
    "binding     -0       bin+k    lin+g    end+E    end+xE   bin\n"
    "answering   -0       -m       -m       -m       -m       -m\n"
    "relaying    -0       -y       -y       end+E    end+E    -y\n"
    "exchanging  -0       -y       -y       end+E    end+E    -y\n"
    "lingering   -0       lin+d    lin      end+E    end+xE   end+E\n"
    "ended       -f       -f       -f       -f       -f       -f\n"},
    {{CLIENT_TRUNCATED, CLIENT_UNSERVED, CLIENT_CREDENTIALS, CLIENT_REQUESTED}, 4,
    "idle        -A       -A       -A       -A\n"
    "asking      lin+g    end+E    che+c    rou+R\n"
    "checking    -A       -A       -A       -A\n"
    "routing     -A       -A       -A       -A\n"
    "resolving   -A       -A       -A       -A\n"
    "waiting     -A       -A       -A       -A\n"
    "moving      -A       -A       -A       -A\n"
    "connecting  -A       -A       -A       -A\n"
    "opening     -A       -A       -A       -A\n"
    "binding     -A       -A       -A       -A\n"
    "answering   -A       -A       -A       -A\n"
    "relaying    -A       -A       -A       -A\n"
    "exchanging  -A       -A       -A       -A\n"
    "lingering   -A       -A       -A       -A\n"
    "ended       -f       -f       -f       -f\n"},
    {{CLIENT_NAME, CLIENT_NEAR, CLIENT_NO_SESSION, CLIENT_ELSEWHERE, CLIENT_LISTEN,
      CLIENT_KEPT}, 6,
    "idle        -R       -R       -R       -R       -R      -R\n"
    "asking      -R       -R       -R       -R       -R      -R\n"
    "checking    -R       -R       -R       -R       -R      -R\n"
    "routing     res+u    con+n    wai+w    mov+m    bin+b   ans+a\n"
    "resolving   -R       -R       -R       -R       -R      -R\n"
    "waiting     -R       -R       -R       -R       -R      -R\n"
    "moving      -R       -R       -R       -R       -R      -R\n"
    "connecting  -R       -R       -R       -R       -R      -R\n"
    "opening     -R       -R       -R       mov+m    -R      -R\n"
    "binding     -R       -R       -R       -R       -R      -R\n"
    "answering   -R       -R       -R       -R       -R      -R\n"
    "relaying    -R       -R       -R       -R       -R      -R\n"
    "exchanging  -R       -R       -R       -R       -R      -R\n"
    "lingering   -R       -R       -R       -R       -R      -R\n"
    "ended       -f       -f       -f       -f       -f      -f\n"},
    {{CLIENT_CHECKED, CLIENT_RESOLVED, CLIENT_SESSION, CLIENT_MOVED, CLIENT_LISTENING}, 5,
    "idle        -?       -?       -?       -?       -?\n"
    "asking      -?       -?       -?       -?       -?\n"
    "checking    ask+p    -?       -?       -?       -?\n"
    "routing     -?       -?       ope+o    -?       -?\n"
    "resolving   -?       rou+N    -?       -?       -?\n"
    "waiting     -?       -?       rou+C    -?       -?\n"
    "moving      -?       -?       -?       rou+C    -?\n"
    "connecting  -?       -?       -?       -?       -?\n"
    "opening     -?       -?       -?       -?       -?\n"
    "binding     -?       -?       -?       -?       bin+t\n"
    "answering   -?       -?       -?       -?       -?\n"
    "relaying    -?       -?       -?       -?       -?\n"
    "exchanging  -?       -?       -?       -?       -?\n"
    "lingering   -?       -?       -?       -?       -?\n"
    "ended       -f       -f       -f       -f       -f\n"},
    {{CLIENT_OPENED, CLIENT_LOST, CLIENT_NEXT, CLIENT_REFUSED, CLIENT_OVERDUE,
      CLIENT_DELAYED}, 6,
    "idle        -?       -?       -?       -?       -o       -o\n"
    "asking      -?       -?       -?       lin+rg   -o       -o\n"
    "checking    -?       -?       -?       lin+rg   -o       -o\n"
    "routing     -?       -?       -?       lin+rg   -o       -o\n"
    "resolving   -?       -?       rou+N    lin+rg   -o       -o\n"
    "waiting     -?       -?       -?       -?       -o       -o\n"
    "moving      -?       -?       -?       -?       -o       -o\n"
    "connecting  ans+a    -?       -?       lin+rg   -o       -o\n"
    "opening     ans+a    rou+C    rou+N    lin+rg   ope+f    ope+v\n"
    "binding     ans+a    -?       -?       lin+rg   -o       -o\n"
    "answering   -?       -?       -?       -?       -o       -o\n"
    "relaying    -?       -?       -?       -?       -o       -o\n"
    "exchanging  -?       -?       -?       -?       -o       -o\n"
    "lingering   -?       -?       -?       -?       -o       -o\n"
    "ended       -f       -f       -f       -f       -f       -f\n"},
    {{CLIENT_ANSWERED, CLIENT_FORWARDED, CLIENT_TIMED_OUT, CLIENT_ABORTED}, 4,
    "idle        -W                       -W                       end+D                    end+xD\n"
    "asking      -W                       -W                       lin+rg:handshake-timeout end+xE\n"
    "checking    -W                       -W                       lin+rg:handshake-timeout end+xE\n"
    "routing     -W                       -W                       -d                       end+xE\n"
    "resolving   -W                       -W                       -l                       end+xE\n"
    "waiting     -W                       -W                       lin+rg:no-session        end+xE\n"
    "moving      -W                       -W                       -d                       end+D\n"
    "connecting  -W                       -W                       -l                       end+xE\n"
    "opening     -W                       -W                       lin+rg:open-timeout      end+xE\n"
    "binding     -W                       -W                       lin+rg:open-timeout      end+xE\n"
    "answering   rel+y                    exc+X                    -d                       end+xE\n"
    "relaying    -W                       -W                       end+xE                   end+xE\n"
    "exchanging  -W                       -W                       end+xE                   end+xE\n"
    "lingering   -W                       -W                       end+xE                   end+xE\n"
    "ended       -f                       -f                       -f                       -f\n"},
    {{CLIENT_EXCHANGED, CLIENT_UPGRADED, CLIENT_STALE}, 3,
    "idle        -x       -x       -x\n"
    "asking      -x       -x       -x\n"
    "checking    -x       -x       -x\n"
    "routing     -x       -x       -x\n"
    "resolving   -x       -x       -x\n"
    "waiting     -x       -x       -x\n"
    "moving      -x       -x       -x\n"
    "connecting  -x       -x       -x\n"
    "opening     -x       -x       -x\n"
    "binding     -x       -x       -x\n"
    "answering   -x       -x       -x\n"
    "relaying    -x       -x       -x\n"
    "exchanging  idl+e    rel+y    rou+R\n"
    "lingering   -x       -x       -x\n"
    "ended       -f       -f       -f\n"},
};
/* clang-format on */

static const char *reason_text(char letter)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (reasons[i].letter == letter)
            return reasons[i].text;
    fail_msg("no reason has the letter %c", letter);
    return NULL;
}

static enum client_state state_named(const char *name, size_t length)
{
    for (int state = 0; state < CLIENT_STATES; state++)
        if (strncmp(client_state_name(state), name, length) == 0)
            return state;
    fail_msg("no state is named %s", name);
    return CLIENT_ENDED;
}

static unsigned actions_lettered(const char *letters)
{
    unsigned actions = 0;

    for (; *letters != '\0'; letters++) {
        const char *at = strchr(action_letters, *letters);
        assert_non_null(at);
        actions |= 1U << (at - action_letters);
    }
    return actions;
}

/* Whether the cell is what the text says, which is written over. */
static bool is_as_written(const struct client_step *step, char *cell)
{
    char *outcome;
    char *actions;

    if (cell[0] == '-')
        return step->reason != NULL && strcmp(step->reason, reason_text(cell[1])) == 0 &&
               step->next == 0 && step->actions == 0 && step->outcome == OUTCOME_OK;
    outcome = strchr(cell, ':');
    if (outcome != NULL)
        *outcome++ = '\0';
    actions = strchr(cell, '+');
    if (actions != NULL)
        *actions++ = '\0';
    return step->reason == NULL && step->next == state_named(cell, 3) &&
           step->actions == actions_lettered(actions != NULL ? actions : "") &&
           strcmp(outcome_row(step->outcome)->name, outcome != NULL ? outcome : "ok") == 0;
}

static bool seen[CLIENT_STATES][CLIENT_EVENTS];

static void check_row(const struct part *part, char *row)
{
    char *save = NULL;
    const char *name = strtok_r(row, " ", &save);
    enum client_state client_state = state_named(name, strlen(name) + 1);

    for (size_t column = 0; column < part->column_count; column++) {
        enum client_event event = part->columns[column];
        char *cell = strtok_r(NULL, " ", &save);
        assert_non_null(cell);
        assert_false(seen[client_state][event]);
        seen[client_state][event] = true;
        if (!is_as_written(client_machine_step(client_state, event), cell))
            fail_msg("%s, %s is not %s", name, client_event_name(event), cell);
    }
    assert_null(strtok_r(NULL, " ", &save));
}

static void each_cell_is_as_it_should_be(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(parts); i++) {
        char rows[4096];
        char *rest = rows;
        char *row;
        assert_true(strlen(parts[i].rows) < sizeof rows);
        strcpy(rows, parts[i].rows);
        while ((row = strsep(&rest, "\n")) != NULL && row[0] != '\0')
            check_row(&parts[i], row);
    }
    for (int state = 0; state < CLIENT_STATES; state++)
        for (int event = 0; event < CLIENT_EVENTS; event++)
            assert_true(seen[state][event]);
}

static void each_cell_has_a_meaning_or_a_reason(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_STATES; state++)
        for (int event = 0; event < CLIENT_EVENTS; event++) {
            const struct client_step *step = client_machine_step(state, event);
            if (step->reason != NULL)
                assert_true(strlen(step->reason) > 0 && step->next == 0 && step->actions == 0);
            else
                assert_true(step->actions != 0 || (int)step->next == state);
        }
}

static void an_abort_ends_each_state(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_ENDED; state++) {
        const struct client_step *step = client_machine_step(state, CLIENT_ABORTED);
        assert_null(step->reason);
        assert_int_equal(step->next, CLIENT_ENDED);
    }
}

static void no_state_ignores_a_cut(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_STATES; state++) {
        const struct client_step *step = client_machine_step(state, CLIENT_FAILED);
        assert_true(step->reason != NULL || step->next == CLIENT_ENDED);
    }
}

static void a_state_has_a_deadline_or_no_time_out(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_STATES; state++) {
        const struct client_step *step = client_machine_step(state, CLIENT_TIMED_OUT);
        assert_int_equal(client_state_has_deadline(state), step->reason == NULL);
        assert_true(step->reason != NULL || (int)step->next != state);
    }
}

/* Which is the last one, so that its finding is handled when all else is done. */
static void one_action_of_a_transition_finds_something_out(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_STATES; state++)
        for (int event = 0; event < CLIENT_EVENTS; event++) {
            unsigned finding =
                client_machine_step(state, event)->actions & ~(unsigned)CLIENT_DOES_NOT_FIND;
            assert_int_equal(finding & (finding - 1), 0);
        }
}

/* Ended is entered by what frees the client, and by nothing else; refusing comes with lingering. */
static void what_ends_a_client_frees_it(void **unused)
{
    (void)unused;
    for (int state = 0; state < CLIENT_STATES; state++)
        for (int event = 0; event < CLIENT_EVENTS; event++) {
            const struct client_step *step = client_machine_step(state, event);
            bool frees = (step->actions & (CLIENT_END | CLIENT_DISCARD)) != 0;
            bool refuses = (step->actions & CLIENT_REFUSE) != 0;
            if (step->reason != NULL)
                continue;
            assert_int_equal(frees, step->next == CLIENT_ENDED);
            assert_true(!refuses || (step->actions & CLIENT_LINGER) != 0);
            assert_true(step->outcome == OUTCOME_OK || refuses);
            assert_int_equal((step->actions & CLIENT_LINGER) != 0,
                             step->next == CLIENT_LINGERING && state != CLIENT_LINGERING);
        }
}

/* Each state is reached from the first one, which is asking. */
static void each_state_is_reached(void **unused)
{
    bool reached[CLIENT_STATES] = {[CLIENT_ASKING] = true};

    (void)unused;
    for (int pass = 0; pass < CLIENT_STATES; pass++)
        for (int state = 0; state < CLIENT_STATES; state++)
            for (int event = 0; reached[state] && event < CLIENT_EVENTS; event++) {
                const struct client_step *step = client_machine_step(state, event);
                if (step->reason == NULL)
                    reached[step->next] = true;
            }
    for (int state = 0; state < CLIENT_STATES; state++)
        assert_true(reached[state]);
}

static void names_are_unique(void **unused)
{
    (void)unused;
    for (int a = 0; a < CLIENT_EVENTS; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(client_event_name(a), client_event_name(b));
    for (int a = 0; a < CLIENT_STATES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(client_state_name(a), client_state_name(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_is_as_it_should_be),
        cmocka_unit_test(each_cell_has_a_meaning_or_a_reason),
        cmocka_unit_test(an_abort_ends_each_state),
        cmocka_unit_test(no_state_ignores_a_cut),
        cmocka_unit_test(a_state_has_a_deadline_or_no_time_out),
        cmocka_unit_test(one_action_of_a_transition_finds_something_out),
        cmocka_unit_test(what_ends_a_client_frees_it),
        cmocka_unit_test(each_state_is_reached),
        cmocka_unit_test(names_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
