/* Which words of a command line make no sense together. */
#include "conf/command_line.h"

#include <stddef.h>
#include <string.h>

/* Of --passwd, which stands alone. */
static const char *passwd_contradiction(const struct command_line *line)
{
    if (line->config_file || line->control_command || line->check || line->dump || line->stdio ||
        line->init_file || line->ssh_word_count > 0 || line->forward_count > 0)
        return "--passwd FILE USER goes with no other option";
    if (!line->destination)
        return "--passwd FILE USER: whose password?";
    return NULL;
}

/* Of --init, with which stands what leads to the server, and -D. */
static const char *init_contradiction(const struct command_line *line)
{
    if (line->config_file || line->control_command || line->check || line->dump || line->stdio ||
        line->background || line->control_path || line->persist)
        return "--init FILE writes a file: it goes with a host, options of the connection, -D, "
               "--from and --user";
    if (line->forward_count > 1 ||
        (line->forward_count == 1 && line->forwards[0].kind != FORWARD_DYNAMIC))
        return "--init writes a proxy with one port (-D): for -L and -R add a [forward] section to "
               "its file";
    return NULL;
}

/* Of --try, which begins nothing. */
static const char *try_contradiction(const struct command_line *line)
{
    if (line->check || line->dump || line->control_command || line->init_file)
        return "--try goes with no --check, --dump, -O or --init";
    if (line->background || line->persist)
        return "--try dials once and ends: it goes with no -f and no --persist";
    if (line->config_file && (line->ssh_word_count > 0 || line->forward_count > 0 || line->stdio))
        return "--config FILE says it all: --try takes names of its upstreams, and no option of "
               "ssh";
    if (!line->config_file && !line->destination)
        return "--try: which host? adit --try [USER@]HOST, or adit --config FILE --try";
    return NULL;
}

const char *command_line_operand(const struct command_line *line)
{
    const char *command = line->control_command;

    if (!command || (strcmp(command, "close") != 0 && strcmp(command, "ping") != 0 &&
                     strcmp(command, "try") != 0))
        return NULL;
    return line->config_file || line->control_path ? line->destination : NULL;
}

const char *command_line_contradiction(const struct command_line *line)
{
    bool tunnel = line->destination || line->ssh_word_count > 0;

    if (line->passwd_file)
        return passwd_contradiction(line);
    if (line->tries)
        return try_contradiction(line);
    if (line->sandbox && (line->config_file || line->init_file || line->control_command))
        return "--sandbox goes with a host that adit logs in to; a file has sandbox in [gateway]";
    if (line->init_file)
        return init_contradiction(line);
    if (line->init_from || line->init_user)
        return "--from and --user go with --init";
    if (line->check && line->dump)
        return "--check and --dump exclude each other";
    if (line->control_command) {
        if (line->check || line->dump || line->stdio)
            return "-O asks a running adit: it goes with no --check, --dump or -W";
        if (line->config_file &&
            ((line->destination && !command_line_operand(line)) || line->control_path))
            return "-O: --config FILE says where the control socket is, and so does -S or a host";
        if (strcmp(line->control_command, "list") == 0)
            return line->destination || line->config_file || line->control_path
                       ? "-O list goes with no host, -S or --config"
                       : NULL;
        if (!line->config_file && !line->destination && !line->control_path)
            return "-O asks an adit: say which by a host, -S PATH, or --config FILE; -O list shows "
                   "the tunnels that run";
        return NULL;
    }
    if (line->json)
        return "--json goes with -O and --try";
    if (line->config_file && (tunnel || line->forward_count > 0 || line->stdio))
        return "--config FILE says it all: no host, and no option of ssh, goes with it";
    if (!line->config_file && !line->destination)
        return "a host is missing: adit [USER@]HOST makes a SOCKS and HTTP proxy at 127.0.0.1:1080 "
               "that leads through HOST, adit --config FILE runs a gateway";
    if (line->stdio && line->dump)
        return "--dump: a file has no place for -W";
    if (line->stdio && line->background)
        return "-W needs standard input and output, which -f takes away";
    return NULL;
}
