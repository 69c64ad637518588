/* What ssh_config(5) says of a host. */
#include "conf/ssh_config.h"

void ssh_config_fill(struct load *load, size_t index)
{
    const struct load_section *section = load_section_of(load, "upstream", index);

    load_problem(load, load_line_of(section, "ssh_config"), "ssh_config: yes is not supported yet");
}
