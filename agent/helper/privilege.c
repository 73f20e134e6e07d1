#include "helper/privilege.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

int tl_privilege_drop(struct tl_err *err)
{
	/* FOWNER: the mode of a terminal that was given to its user before. */
	static const cap_value_t kept[] = {CAP_CHOWN, CAP_DAC_READ_SEARCH, CAP_FOWNER,
					   CAP_KILL,  CAP_SETGID,	   CAP_SETUID};
	/* Not used here, but given to the collector where policy says so (collect.privileged), and raised where an
	 * account's session is opened (login.h). */
	static const cap_value_t given[] = {CAP_SYS_PTRACE,    CAP_SYSLOG,	CAP_NET_ADMIN,
					    CAP_AUDIT_CONTROL, CAP_AUDIT_WRITE, CAP_SYS_RESOURCE};
	cap_t caps, have;
	int rc = 0;

	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return tl_err_sys(err, TL_EIO, errno, "core files cannot be switched off");
	if (geteuid() != 0)
		return 0;
	caps = cap_init();
	have = cap_get_proc();
	for (size_t i = 0; caps && have && i < TL_ARRAY_LEN(kept); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		cap_get_flag(have, kept[i], CAP_PERMITTED, &value); /* a container may lack some */
		rc |= cap_set_flag(caps, CAP_PERMITTED, 1, &kept[i], value);
		rc |= cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept[i], value);
	}
	for (size_t i = 0; caps && have && i < TL_ARRAY_LEN(given); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		cap_get_flag(have, given[i], CAP_PERMITTED, &value);
		rc |= cap_set_flag(caps, CAP_PERMITTED, 1, &given[i], value);
	}
	if (!caps || !have || rc != 0 || cap_set_proc(caps) != 0)
		rc = tl_err_sys(err, TL_EACCES, errno, "root's other rights cannot be given up");
	cap_free(caps);
	cap_free(have);
	return rc;
}
