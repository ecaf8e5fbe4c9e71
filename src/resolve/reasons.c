#include "reasons.h"

#include "fairlead/base/err.h"

#include <string.h>

struct rule {
	const char *part; /* in the text, anywhere */
	enum fl_reason reason;
};

/* First match wins. The order puts what was found before what followed from it:
 * "key for validation x. is marked as invalid because of a previous signature
 * expired" is an expired signature. */
static const struct rule bogus_rules[] = {
	{ "signature expired", FL_REASON_SIGNATURE_EXPIRED },
	{ "signature before inception", FL_REASON_SIGNATURE_EARLY },
	{ "inception after expiration", FL_REASON_SIGNATURE_EARLY },
	{ "without ZSK flag", FL_REASON_NO_ZONE_KEY },
	{ "No DNSKEY record", FL_REASON_DNSKEY_MISSING },
	{ "no DNSKEY rrset", FL_REASON_DNSKEY_MISSING },
	{ "signatures from unknown keys", FL_REASON_DNSKEY_MISSING },
	{ "no keys have a DS", FL_REASON_DNSKEY_MISSING },
	{ "DNSKEY RRset did not match", FL_REASON_DNSKEY_MISSING },
	{ "DS hash mismatches key", FL_REASON_DNSKEY_MISSING },
	{ "no signatures over NSEC", FL_REASON_RRSIGS_MISSING },
	{ "no signatures", FL_REASON_RRSIGS_MISSING },
	{ "signature missing", FL_REASON_RRSIGS_MISSING },
	{ "missing RRSIG", FL_REASON_RRSIGS_MISSING },
	{ "no RRSIG", FL_REASON_RRSIGS_MISSING },
	{ "no DNSSEC records", FL_REASON_NSEC_MISSING },
	{ "no NSEC3 records", FL_REASON_NSEC_MISSING },
	{ "no NSEC records", FL_REASON_NSEC_MISSING },
	{ "no NSEC", FL_REASON_NSEC_MISSING },
	{ "proof failed", FL_REASON_NSEC_MISSING },
	{ "no DS and", FL_REASON_NSEC_MISSING },
	{ "fails to prove", FL_REASON_NSEC_MISSING },
	{ "verification failed", FL_REASON_BOGUS },
	{ "crypto failed", FL_REASON_BOGUS },
	{ "no known algorithms", FL_REASON_ALGORITHM },
	{ "unsupported algorithm", FL_REASON_ALGORITHM },
};

static const struct rule failure_rules[] = {
	{ "exceeded the maximum", FL_REASON_WORK_LIMIT },
	{ "exceeded ratelimit", FL_REASON_RATE_UPSTREAM },
	{ "max dependency depth", FL_REASON_WORK_LIMIT },
	{ "max validation suspends", FL_REASON_WORK_LIMIT },
	{ "cycle detected", FL_REASON_WORK_LIMIT },
	{ "SERVFAIL in cache", FL_REASON_CACHED_ERROR },
	{ "could not parse upstream response", FL_REASON_INVALID_DATA },
	{ "upstream response failed scrub", FL_REASON_INVALID_DATA },
	{ "got different replies", FL_REASON_INVALID_DATA },
	{ "connection refused", FL_REASON_NETWORK_ERROR },
	{ "unreachable", FL_REASON_NETWORK_ERROR },
	{ "error sending query", FL_REASON_NETWORK_ERROR },
	{ "upstream server timeout", FL_REASON_NO_REACHABLE },
	{ "no server to query", FL_REASON_NO_REACHABLE },
	{ "no addresses for nameservers", FL_REASON_NO_REACHABLE },
	{ "have no nameserver names", FL_REASON_NO_REACHABLE },
	{ "could not fetch nameserver", FL_REASON_NO_REACHABLE },
	{ "failed to get a delegation", FL_REASON_NO_REACHABLE },
	{ "no delegation info", FL_REASON_NO_REACHABLE },
	{ "servers failed", FL_REASON_NO_REACHABLE },
	{ "servers for this domain failed", FL_REASON_NO_REACHABLE },
};

static enum fl_reason match(const struct rule *rules, size_t n, const char *text,
			    enum fl_reason otherwise)
{
	for (size_t i = 0; i < n; i++) {
		if (strstr(text, rules[i].part) != NULL) {
			return rules[i].reason;
		}
	}
	return otherwise;
}

/* "validation failure <name type class>: reason", "SERVFAIL <name type class>: reason".
 * A name has no '>' of its own before ">: " that matters: the first one ends the question. */
static const char *after_question(const char *text)
{
	const char *end = strstr(text, ">: ");
	if (end == NULL) {
		return text;
	}
	return end + strlen(">: ");
}

enum fl_reason fl__reason_of_bogus(const char *why)
{
	if (why == NULL) {
		return FL_REASON_BOGUS;
	}
	return match(bogus_rules, FL_COUNT(bogus_rules), after_question(why), FL_REASON_BOGUS);
}

enum fl_reason fl__reason_of_failure(const char *line)
{
	return match(failure_rules, FL_COUNT(failure_rules), after_question(line),
		     FL_REASON_FAILED);
}

bool fl__reason_is_line(const char *line)
{
	return strstr(line, "SERVFAIL <") != NULL ||
	       strstr(line, "validation failure <") != NULL;
}

/* "[1700000000] libunbound[123:0] error: text": the time, process and thread go. */
static const char *after_prefix(const char *line)
{
	static const char *const levels[] = { " error: ",  " info: ",        " warning: ",
					      " notice: ", " fatal error: ", " debug: " };
	if (*line != '[') {
		return line;
	}
	const char *ident = strstr(line, "] ");
	for (size_t i = 0; ident != NULL && i < FL_COUNT(levels); i++) {
		const char *level = strstr(ident, levels[i]);
		if (level != NULL) {
			return level + strlen(levels[i]);
		}
	}
	return line;
}

void fl__reason_clean(const char *raw, struct fl__reason_text *out)
{
	const char *from = after_question(after_prefix(raw));
	size_t len = strlen(from);
	while (len > 0 && (from[len - 1] == '\n' || from[len - 1] == ' ')) {
		len--;
	}
	if (len > sizeof(out->text)) {
		len = sizeof(out->text);
	}
	for (size_t i = 0; i < len; i++) {
		out->text[i] = from[i];
		if (from[i] < ' ' || from[i] > '~') {
			out->text[i] = '?';
		}
	}
	out->len = (uint8_t)len;
}
