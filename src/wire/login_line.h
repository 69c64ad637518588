/* The messages of a login line: a pair of sockets between one dial of the gateway and the keeper
 * (GATEWAY_LOGIN), over which the dial gets what only the keeper has: what the files of host keys
 * say, a person's answers, passwords. One message is one packet:
 *
 *     byte      the kind
 *     uint32    each of the kind's numbers (RFC 4251 section 5)
 *     string    each of its texts
 *
 * The gateway asks one thing at a time, and the keeper answers it by LOGIN_ANSWER, with LOGIN_WAITS
 * before that as often as it likes. A gateway that does not want the answer any more shuts its side
 * down (shutdown(2)): the keeper then waits for nobody, and answers with what it has.
 *
 * Parsing and writing are pure; any thread. */
#ifndef ADIT_WIRE_LOGIN_LINE_H
#define ADIT_WIRE_LOGIN_LINE_H

#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a whole packet. A server's prompt may fill one of its own packets, which have 35,000 bytes
 * (RFC 4253 section 6.1). */
#define LOGIN_PACKET_MAX ((size_t)64 * 1024)

#define LOGIN_NUMBERS_MAX 3
#define LOGIN_TEXTS_MAX 2

enum login_message_kind {
    /* From the gateway. */
    LOGIN_COMMANDS, /* runs the commands of Match exec in ssh_config(5) again */
    LOGIN_FILES,    /* reads the files of known and of revoked host keys. Number: whether
                       KnownHostsCommand is run for ORDER. Answer: enum login_result, the error */
    LOGIN_ORDER,    /* text: host key algorithms. Answer: the same, those of known keys first */
    LOGIN_HOST_KEY, /* the server has this key. Number: the server's port; texts: the key's blob,
                       the server's address ("": no TCP connection of the gateway's). Answer: enum
                       login_result, the error or why the key was accepted */
    LOGIN_SECRETS,  /* reads password_file and passphrase_file. Answer: enum login_result, whether
                       there is a password;  the error */
    LOGIN_CAN_ASK,  /* Answer: enum login_turn, why nobody can be asked */
    LOGIN_TURN,     /* the same, and waits for the turn to ask */
    LOGIN_TURN_END, /* ends the turn */
    LOGIN_ASK,      /* numbers: enum login_question, whether the answer is seen as it is typed,
                       whether it is a password that may be kept; text: what is asked. Answer:
                       whether there is an answer, and that */
    LOGIN_SHOW,     /* text: lines for the person, if questions are asked on the terminal */
    LOGIN_PASSWORD, /* numbers: enum login_password, whether it is wanted now, to be sent. Answer:
                       whether there is one, and that */
    LOGIN_REFUSED,  /* number: enum login_password: the server has refused it */
    LOGIN_ACCEPTED, /* the server has accepted the last answer that may be kept */
    LOGIN_KEYS,     /* which keys may be offered; once. Answer: whether the keeper loads them (else
                       the gateway reads them itself); descriptor: the list (conf/identities.h), a
                       file in memory */
    LOGIN_AGENT,    /* a connection to the user's agent, for what a login needs. Answer: enum
                       login_agent, the error; descriptor: the connection */
    LOGIN_KEY,      /* numbers: which key of the list, whether its passphrase is asked for, in the
                       login's turn to ask. Answer: enum login_key, whether a question had no answer;
                       text: the public half in base64 or what is wrong, behind the key's name in a
                       sentence; descriptor: a connection to an agent with that key alone */
    /* From the keeper. */
    LOGIN_WAITS,  /* numbers: whether a person, or a program, is waited for; the questions so far */
    LOGIN_ANSWER, /* two numbers and a text, as said above, and a descriptor where that is said */
    LOGIN_MESSAGE_KINDS
};

enum login_result {
    LOGIN_OK,
    LOGIN_TRANSPORT,      /* it may be otherwise at the next attempt */
    LOGIN_BAD_HOST_KEY,   /* a person has to look */
    LOGIN_AUTHENTICATION, /* the same */
    LOGIN_RESULTS
};

/* Whether a question can be asked. */
enum login_turn {
    LOGIN_TURN_NONE, /* the text says why */
    LOGIN_TURN_YES,
    LOGIN_TURN_ENDED, /* the connection has ended meanwhile */
    LOGIN_TURNS
};

enum login_question {
    LOGIN_QUESTION_PASSWORD,   /* text: the name that logs in */
    LOGIN_QUESTION_SERVER,     /* text: the name that logs in, a line's end, the server's words */
    LOGIN_QUESTION_PASSPHRASE, /* text: the path of the key */
    LOGIN_QUESTIONS
};

enum login_password {
    LOGIN_PASSWORD_CONFIGURED, /* password_file */
    LOGIN_PASSWORD_KEPT,       /* a person gave it at an earlier login */
    LOGIN_PASSWORDS
};

enum login_agent {
    LOGIN_AGENT_OFF,    /* none is to be asked */
    LOGIN_AGENT_FAILED, /* it cannot be reached */
    LOGIN_AGENT_OPEN,
    LOGIN_AGENTS
};

enum login_key {
    LOGIN_KEY_LOADED,
    LOGIN_KEY_ENCRYPTED, /* and no right passphrase is known */
    LOGIN_KEY_MISSING,   /* the file does not exist */
    LOGIN_KEY_UNUSABLE,
    LOGIN_KEY_STATES
};

struct login_message {
    enum login_message_kind kind;
    uint32_t numbers[LOGIN_NUMBERS_MAX];
    struct span texts[LOGIN_TEXTS_MAX]; /* inside the packet; but for a blob they hold no NUL */
};

/* Reads a whole packet that the gateway (`from_gateway`) or the keeper has sent. False: no such
 * message; so is a number outside its enum. */
bool login_message_parse(struct span packet, bool from_gateway, struct login_message *message);

/* Appends a packet, whose bytes stay in one place. False: it would be longer than LOGIN_PACKET_MAX,
 * and nothing was appended. */
bool login_message_write(struct buffer *packet, const struct login_message *message);

#endif
