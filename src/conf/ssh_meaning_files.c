/* Keywords of ssh_config(5) whose values are names of files and sockets. */
#include "conf/ssh_scene.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/known_hosts_command.h"
#include "conf/list_items.h"
#include "conf/paths.h"
#include "conf/ssh_paths.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>

/* Whether each value of the keyword is ssh's default. */
static bool all_usual(const struct ssh_scene *scene)
{
    const char *value, *usual;
    size_t i = 0;

    if (!scene->usual)
        return false;
    do {
        value = ssh_answer_value_at(scene->answer, scene->keyword, i);
        usual = ssh_answer_value_at(scene->usual, scene->keyword, i);
        i++;
    } while (value && usual && strcmp(value, usual) == 0);
    return !value && !usual;
}

/* ssh does not connect then. */
static void unexpanded(const struct ssh_scene *scene, const char *value)
{
    char *text = mem_printf("%s '%s' cannot be expanded", scene->keyword, value);

    scene->meaning->problem(scene->meaning->arg, text);
    free(text);
}

/* The file that an IdentityFile or CertificateFile stands for, or NULL. Where only the public half
 * of a key exists, an agent holds the private half. The caller frees. */
static char *key_file(const struct ssh_scene *scene, const char *value)
{
    char *path = ssh_tokens_expand_path(value, &scene->tokens);
    const char *wrong = path ? path_unreadable(path) : NULL;

    if (wrong) {
        char *public = mem_printf("%s.pub", path);
        if (!path_unreadable(public)) {
            free(path);
            return public;
        }
        free(public);
    }
    if (!path)
        unexpanded(scene, value);
    else if (wrong && (!scene->usual || path_exists(path)))
        ssh_scene_remark(scene, "%s %s is left out: %s", scene->keyword, path, wrong);
    else if (!wrong)
        return path;
    free(path);
    return NULL;
}

char *ssh_value_key_files(const struct ssh_scene *scene, const char *value)
{
    struct buffer text = {0};

    if (all_usual(scene))
        return NULL;
    for (size_t i = 0; (value = ssh_answer_value_at(scene->answer, scene->keyword, i)); i++) {
        char *path = ssh_word_is_none(value) ? NULL : key_file(scene, value);
        if (path)
            list_put(&text, path);
        free(path);
    }
    return list_take(&text);
}

/* Where none of the files named is there, those that are tried without IdentityFile are not
 * either. */
char *ssh_value_identity_files(const struct ssh_scene *scene, const char *value)
{
    char *files = ssh_value_key_files(scene, value);

    if (files || all_usual(scene))
        return files;
    if (!ssh_word_is_none(value))
        ssh_scene_remark(scene, "%s: %s cannot be used, and no other file is", scene->keyword,
                         value);
    return mem_strdup(CONFIG_IDENTITY_NONE);
}

/* The name of an environment variable that holds the path of the agent's socket; NULL: the value is
 * the path. */
static const char *agent_variable(const char *value)
{
    return value[0] == '$' && value[1] != '{' ? value + 1 : NULL;
}

/* With a variable that is not set, ssh asks no agent, not even that of SSH_AUTH_SOCK. */
char *ssh_value_agent_wanted(const struct ssh_scene *scene, const char *value)
{
    const char *variable = agent_variable(value);
    const char *path = variable ? getenv(variable) : value;

    (void)scene;
    return !path || !*path || ssh_word_is_none(value) ? mem_strdup("no") : NULL;
}

/* IdentityAgent. */
char *ssh_value_agent_socket(const struct ssh_scene *scene, const char *value)
{
    const char *variable = agent_variable(value);

    if (ssh_word_is_none(value) || strcmp(value, "SSH_AUTH_SOCK") == 0)
        return NULL;
    if (variable) {
        const char *path = getenv(variable);
        return path && *path ? mem_strdup(path) : NULL;
    }
    if (!scene->answer->raw)
        return mem_strdup(value);
    char *path = ssh_tokens_expand_path(value, &scene->tokens);
    if (!path)
        unexpanded(scene, value);
    return path;
}

char *ssh_value_known_hosts(const struct ssh_scene *scene, const char *value)
{
    const char *global = ssh_answer_value(scene->answer, "globalknownhostsfile");
    char *user_list = ssh_paths_list(value, scene->answer->raw ? &scene->tokens : NULL);
    char *global_list = ssh_paths_list(global, NULL);
    /* Nothing may be written to the system's files. */
    char *text = mem_printf("%s%s%s", user_list ? user_list : "/dev/null", global_list ? ", " : "",
                            global_list ? global_list : "");

    free(user_list);
    free(global_list);
    return text;
}

char *ssh_value_revoked_host_keys(const struct ssh_scene *scene, const char *value)
{
    char *path = NULL;

    /* (OpenSSH 9.2 prints it with its tokens, a newer one without them.) */
    if (!ssh_word_is_none(value) && !path_exists(value))
        path = ssh_tokens_expand_path(value, &scene->tokens);
    /* (The unexpanded name is a file that does not exist, so no host key is believed.) */
    return path || ssh_word_is_none(value) ? path : mem_strdup(value);
}

/* (Where it cannot be run ssh goes on without it, or ends. Its keys could be other ones.) */
char *ssh_value_known_hosts_command(const struct ssh_scene *scene, const char *value)
{
    const char *wrong = ssh_word_is_none(value) ? NULL : known_hosts_command_wrong(value);
    char *text, *problem;

    if (ssh_word_is_none(value))
        return NULL;
    text = wrong ? NULL : known_hosts_command_prepare(value, &scene->tokens);
    if (wrong) {
        problem = mem_printf("KnownHostsCommand '%s' %s", value, wrong);
        scene->meaning->problem(scene->meaning->arg, problem);
        free(problem);
    } else if (!text) {
        unexpanded(scene, value);
    }
    return text;
}
