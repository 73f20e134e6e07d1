/* What policy says of a session that is asked for, beside its scopes and duration. */
#include <fnmatch.h>
#include <stdio.h>
#include <time.h>
#include <towline/forward.h>
#include <towline/sshkey.h>

#include "helper/policy.h"

#define DAY_MINUTES (24 * 60)

static int denied(struct tl_err *err, const char *sentence)
{
	return tl_err_set(err, TL_EDENIED, "%s", sentence);
}

/* ---- hours ------------------------------------------------------------------------------------- */

static int read_minute(const char *text, int *ret_minute)
{
	uint64_t hour, minute;
	char digits[3] = "";

	if (strspn(text, "0123456789") != 2 || text[2] != ':' ||
	    strspn(text + 3, "0123456789") != 2)
		return TL_EINVAL;
	memcpy(digits, text, 2);
	if (tl_str_u64(digits, 23, &hour) != 0)
		return TL_EINVAL;
	memcpy(digits, text + 3, 2);
	if (tl_str_u64(digits, 59, &minute) != 0)
		return TL_EINVAL;
	*ret_minute = (int)(hour * 60 + minute);
	return 0;
}

/* "18:00-08:00" goes over midnight; one that begins when it ends is the whole day. */
static int read_hours(const char *text, int *ret_from, int *ret_to)
{
	if (strlen(text) != strlen("00:00-00:00") || text[5] != '-' ||
	    read_minute(text, ret_from) != 0)
		return TL_EINVAL;
	return read_minute(text + 6, ret_to);
}

static bool is_within(const char *hours, int64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm local;
	int from, to, minute;

	if (!hours || !hours[0])
		return true;
	if (read_hours(hours, &from, &to) != 0 || !localtime_r(&now, &local))
		return false;
	minute = local.tm_hour * 60 + local.tm_min;
	return (minute - from + DAY_MINUTES) % DAY_MINUTES <
	       ((to - from + DAY_MINUTES) % DAY_MINUTES ?: DAY_MINUTES);
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int check_forward(const struct tl_policy *policy, const char *file, struct tl_err *err)
{
	if (tl_forward_check_all(&policy->sessions_forward, err) == 0)
		return 0;
	if (err) {
		tl_err_prefix(err, "%s: sessions.forward", file);
		err->code = TL_ECONFIG;
	}
	return TL_ECONFIG;
}

int tl_policy_check_sessions(const struct tl_policy *policy, const char *file, struct tl_err *err)
{
	const char *hours = policy->sessions_break_glass_hours;
	const char *pin = policy->sessions_roster_key;
	enum tl_lane lane;
	int from, to;

	for (size_t i = 0; i < policy->sessions_lanes.count; i++)
		if (tl_lane_parse(policy->sessions_lanes.items[i], &lane) != 0)
			return tl_err_set(err, TL_ECONFIG,
					  "%s: sessions.lanes: \"%s\" is none of bastion, "
					  "end-to-end",
					  file, policy->sessions_lanes.items[i]);
	if (hours[0] && read_hours(hours, &from, &to) != 0)
		return tl_err_set(err, TL_ECONFIG,
				  "%s: sessions.break_glass_hours: \"%s\" is not as 18:00-08:00",
				  file, hours);
	if (pin[0] && !tl_sshkey_is_fingerprint(pin))
		return tl_err_set(err, TL_ECONFIG,
				  "%s: sessions.roster_key: \"%s\" is no fingerprint as "
				  "`ssh-keygen -l` shows it (SHA256:…)",
				  file, pin);
	return check_forward(policy, file, err);
}

/* ---- a grant ----------------------------------------------------------------------------------- */

int tl_policy_account(const struct tl_policy *policy, const char *wished, const char **ret_account,
		      struct tl_err *err)
{
	if (wished[0] && !tl_streq(wished, policy->sessions_user) &&
	    !tl_strv_has(&policy->sessions_users, wished))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy lets no session run as \"%s\" "
				  "(sessions.users)",
				  wished);
	*ret_account = wished[0] ? wished : policy->sessions_user;
	return 0;
}

static size_t count_characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static bool may_break_glass(const struct tl_policy *policy, const char *login)
{
	for (size_t i = 0; i < policy->sessions_break_glass.count; i++)
		if (fnmatch(policy->sessions_break_glass.items[i], login, 0) == 0)
			return true;
	return false;
}

static int check_emergency(const struct tl_policy *policy, const struct tl_grant *grant,
			   const struct tl_clock *clock, struct tl_err *err)
{
	if (!may_break_glass(policy, grant->engineer))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy lets \"%s\" in by no emergency "
				  "(sessions.break_glass)",
				  grant->engineer);
	if (!is_within(policy->sessions_break_glass_hours, tl_clock_wall_ms(clock)))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy knows emergencies at %s only "
				  "(sessions.break_glass_hours)",
				  policy->sessions_break_glass_hours);
	if ((int64_t)count_characters(grant->purpose) < policy->sessions_break_glass_reason)
		return tl_err_set(err, TL_EDENIED,
				  "an emergency needs a reason of %lld characters or more "
				  "(sessions.break_glass_reason)",
				  (long long)policy->sessions_break_glass_reason);
	return 0;
}

int tl_policy_check_grant(const struct tl_policy *policy, const struct tl_grant *grant,
			  const struct tl_clock *clock, struct tl_err *err)
{
	const char *account;
	int rc;

	if (!tl_strv_has(&policy->sessions_lanes, tl_lane_name(grant->lane)))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy allows no session in the lane %s "
				  "(sessions.lanes)",
				  tl_lane_name(grant->lane));
	rc = tl_policy_account(policy, grant->user, &account, err);
	if (rc != 0)
		return rc;
	if (grant->break_glass)
		return check_emergency(policy, grant, clock, err);
	if (policy->sessions_unattended && !grant->purpose_stated)
		return denied(err,
			      "this machine lets sessions in without asking anybody, and wants the "
			      "engineer's own reason for it: `towline connect --purpose` or "
			      "`towline session request --purpose`");
	return 0;
}
