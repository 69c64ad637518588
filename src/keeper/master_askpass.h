/* adit as the askpass program of an ssh(1) that the keeper has started: it passes the question on
 * to the keeper. */
#ifndef ADIT_KEEPER_MASTER_ASKPASS_H
#define ADIT_KEEPER_MASTER_ASKPASS_H

/* A variable of the environment: adit is executed by such an ssh, and asks. */
#define MASTER_ASKPASS "ADIT_MASTER_ASKPASS"

/* Has the keeper, which reads the standard error of ssh, ask that question (SSH_ASKPASS of ssh(1)),
 * and prints the answer. Returns the status to exit with. */
int master_askpass(const char *prompt);

/* What lies between the two: SSH_ASKPASS_PROMPT, a line's end, the prompt, and the end of data;
 * back come a line and the end of data, or the end alone if there is no answer. */
#define MASTER_PROMPT_MAX 8192

#endif
