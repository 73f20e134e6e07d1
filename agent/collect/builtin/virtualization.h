/* Whether this host is a machine of its own, by what its files say. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_VIRTUALIZATION_H
#define TOWLINE_COLLECT_VIRTUALIZATION_H

#include "collect/collector.h"

/* "kvm", "vmware", …; "unknown" where the processor tells of a hypervisor that has no name here; "none". */
const char *virtualization_machine(const struct collect_context *context);
/* "docker", "podman", "lxc", … as far as the files tell; "none". Written to `name`. */
void virtualization_container(const struct collect_context *context, char name[static 32]);

#endif
