"""The words by which free text says that a medium is real or fake, as patterns of lower-case English.

They are for plain text (wording.plain), a sentence at a time. Every repetition is bounded.
"""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter

import swift_plugins  # noqa: F401


def _any(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


# ------------------------------------------------------------------------------------------------ real, fake or edited

_BY = r"(?:by|with|using|through|via)\s(?:an?\s|the\s|some\s)?(?:[\w-]{1,20}\s){0,2}?"
_MAKER = (
    r"(?:ai|artificial intelligence|diffusion|gans?|generative|neural|computers?|algorithms?|midjourney|dall-?e|sora"
    r"|stable diffusion|stylegan|firefly|imagen|flux|kling|runway|veo|pika|text-to-(?:image|video))\b"
    r"(?:[ -](?:model|network|system|tool|program|software|generator|algorithm|ai)s?\b){0,2}"
)
_MADE = r"(?:generated|created|made|produced|synthesi[sz]ed|rendered|fabricated)"
_REAL = "real|authentic|genuine"
_FAKE = (
    rf"fake|inauthentic|synthetic|deep ?fake|forged|fabricated|(?:ai|computer|machine)[- ]{_MADE}"
    r"|(?:gans?|diffusion)[- ]generated|artificial(?=\s(?:image|picture|photo|video))"
    r"|ai(?=[- ](?:image|picture|photo|video|art|artwork|creation)s?\b)"
    rf"|artificially {_MADE}|{_MADE}\s(?:\w{{1,20}}\s)?{_BY}{_MAKER}"
)
_EDITED = (
    r"(?:digitally |ai[- ]|artificially )?(?:edited|manipulated|altered|tampered(?: with)?|doctored"
    r"|photoshopped|modified"
    r"|retouched|spliced|face-?swapped|composited|generated|synthesi[sz]ed|faked)"
)
_BEGINS, _ENDS = r"(?<![\w/@#\\-])(?<!\w\.)", r"(?![\w/@\\-]|\.[a-z0-9]{2,4}\b)"  # "fake.jpg" is a name
# How each of these words begins, which is quicker to find; by the first letter, so that few are tried at a place.
_STEMS = (
    "real authentic genuine fake inauthentic synth deep forged fabricated ai computer machine gan diffusion artificial "
    "generated created made produced rendered digital edited manip alter tamper doctor photoshop modified retouch "
    "splice face composited"
)
_BY_LETTER = groupby(sorted(_STEMS.split()), key=itemgetter(0))
STEM = re.compile("|".join(letter + _any(*(stem[1:] for stem in stems)) for letter, stems in _BY_LETTER))
WORD = re.compile(rf"{_BEGINS}(?:(?P<real>{_REAL})|(?P<fake>{_FAKE})|(?P<edited>{_EDITED})){_ENDS}")
NAMES = re.compile(rf"{_BEGINS}(?:(?P<real>real)|fake|ai[- ]generated)(?![\w-])")

# ------------------------------------------------------------------------- a sentence that says it, up to the very word

MEDIUM = (
    r"(?:video|clip|footage|image|picture|photo|photograph|pic|frame|recording|sample|media|medium|screenshot|one"
    r"|content|snapshot|selfie|still|portrait|artwork|shot)s?"
)
_GIVEN = "(?:video|given|provided|entire|whole|overall|above|input|presented|shown|attached|uploaded|submitted)"
_THAT = _any(  # behind these and at a clause's beginning, "this" and "that" are the medium
    r"\A",
    r"[,;:(|/]\s?",
    r"\s-\s",
    r"\b(?:that|think|believe|say|conclude|so|but|and|because|means|suggests|indicates|shows|yes|no|confident|sure"
    r"|convinced|positive|certain|clear|find|feel|hence|therefore|thus|actually|fact|is|then|wait)\s",
)
_SUBJECT = (
    rf"(?:\bit|{_THAT}(?:this|that)|\b(?:this|that|the|your)\s(?:{_GIVEN}\s){{0,2}}{MEDIUM}"
    r"(?:\s(?:provided|shown|above|here|itself|in question|as a whole|of (?:[\w'-]{1,20}\s?){1,6}"
    r"|(?:that )?you(?:'ve| have)? (?:just )?(?:provided|uploaded|shared|sent|posted|gave|attached)))?)"
)
_IS = (
    r"(?:'s|\s(?:is|was|be|(?:looks?|seems?|appears?|feels?)(?: like)?|remains|must(?: have been)?|has(?: to"
    r"| (?:\w{2,12}ly )?been)|have been|should"
    r"|can|would|could|might|may|will|does|do|did|proves|turns out|(?:is|was|does|did|could|would|wo|should"
    r"|must|has|ca)n't"
    r"|cannot)\b)"
)
_JUDGED = (
    r"(?:(?:classified|labell?ed|judged|considered|deemed|rated|identified|categori[sz]ed|regarded|determined|assessed"
    r"|flagged|marked)\s(?:as\s|to be\s)?)"
)
_ADVERB = (
    r"(?:(?:definitely|clearly|obviously|certainly|probably|likely|most|very|highly|almost certainly|indeed|actually"
    r"|in fact|therefore|thus|hence|so|completely|entirely|totally|100 ?%|fully|wholly|undoubtedly|undeniably"
    r"|conclusively|decidedly|unmistakably"
    r"|evidently"
    r"|apparently|plainly|simply|just|truly|quite|surely|strongly|also|absolutely|genuinely|overwhelmingly|itself|more"
    r"|in all likelihood|unquestionably|a|an|the|to be|in my opinion|in my view|best described|more than likely"
    r"|definitively|merely|slightly|heavily|lightly|subsequently|later),?\s)"
)
_NOT_BUT = r"not\s(?:[\w-]{1,20}\s){1,3}but\s(?:rather\s|instead\s|in fact\s|is\s)?"  # "is not real but fake"
_HOW = rf"(?:(?:be|been|look|seem|appear|have been)\s|{_JUDGED}|{_ADVERB}|{_NOT_BUT})"
SAYS = re.compile(rf"({_SUBJECT})({_IS}),?\s?{_HOW}{{0,5}}\Z")
SAYS_AT_LAST = re.compile(  # "it looks real but is fake"
    rf"({_SUBJECT})({_IS})\s[^;]{{0,80}}?\s(?:but|yet)\s(?:is|was)\s{_HOW}{{0,3}}\Z"
)
SAYS_LOOSELY = re.compile(
    rf"({_SUBJECT})({_IS})\s?(?:(?!(?:is|are|was|were|looks|seems|appears)\b)[\w'%-]{{1,20}},?\s){{0,7}}\Z"
)
OF_A_PART = re.compile(  # "the left half of the image"
    r"\b(?:of|in|on|from|at|for|with|inside|within|behind|by|about|between|across|throughout|to|near|around)\s\Z"
)
_SAID_NOT = r"(?:(?:'s|\s(?:is|was))\snot|\s(?:is|was)n't|\s(?:cannot|can't) be|\sis no)"
# A plain denial, which says that it is the other: "this is not a real image", "I do not think it is fake", "Not real."
DENIES = re.compile(
    rf"(?:{_SUBJECT}{_SAID_NOT}|\b(?:i|we)\s(?:do not|don't)\s(?:think|believe|feel)(?:\sthat)?\s{_SUBJECT}"
    rf"(?:'s|\s(?:is|was))|\A(?:definitely\s|clearly\s|certainly\s|probably\s)?not)"
    r"\s(?:(?:actually|in fact|an|a|the|to be|itself)\s){0,3}\Z"
)
_NAMED = "(?:real|authentic|fake|ai[- ]generated)"
_OR = r"\s?(?:/|or|vs\.?)\s?"
ECHO = re.compile(rf"{_NAMED}{_OR}(?:{_NAMED}{_OR})?{_NAMED}\s?[:=]")  # "Real or fake: fake"
CONCLUDES = re.compile(r"\s{0,4}(?:is )?(?:therefore|thus|hence|meaning|making|which makes)\s")
REPORTS = re.compile(
    r"\b(?:i|we|i'd|i'll|i'm|we'd)\s(?:[\w']{1,20}\s){0,4}?(?:say|reply|answer|respond|vote|choose|select|pick|go"
    r"|conclude|judge|call|classify|label|consider|deem|rate|mark|believe|think|lean|leaning|categori[sz]e|identify"
    rf"|regard|assess|going)(?:\s(?:being|with|that|for|towards?|this"
    rf"|{_SUBJECT})){{0,3}}{_IS}?\s(?:as\s)?{_HOW}{{0,4}}\Z"
)
TITLED = re.compile(
    r"(?:\A|[,;:(]\s?|\s-\s?|\b(?:so|my|the|your|final|overall|is that)\s)(?:[\w'/]{1,20}\s){0,4}?\b(?:answer"
    r"|verdict|class"
    r"|conclusion|label|classification|prediction|decision|judge?ment|assessment|determination|result|response|reply"
    r"|output|opinion|status|authenticity|evaluation|diagnosis|finding|choice|category|guess"
    r"|nature|type|origin|real/fake|real or fake|fake or real|fake/real)"
    rf"(?:\s(?:of|for|on|about) (?:the|this) {MEDIUM}|\s\(?\w{{1,12}}\)?)?\s{{0,2}}"
    rf"(?:[:=>-]{{1,3}}|\b(?:is|was|would be|that)\b:?)\s{{0,4}}(?:that\s)?(?:{_SUBJECT}{_IS}\s)?{_HOW}{{0,4}}\Z"
)
_FILLER = (
    r"(?:(?:so|therefore|thus|hence|overall|actually|in fact|ok|okay|yes|no|well|hmm|wait|sure|finally"
    r"|in conclusion|and"
    r"|to conclude|in summary|in short|to sum up|conclusion|on second thought|on reflection|correction|sorry|but|it is"
    r"|or rather|rather|final|scratch that|just kidding|i take that back|i mean|i think|i believe|i guess|i'd say"
    r"|i would say|my mistake|definitely|clearly|most likely|likely|probably|very likely|almost certainly|certainly"
    r"|simply|just|verdict|answer|after all|instead|however|still|to me|in my opinion|in my view|a|an|the|not|100 ?%"
    r"|to summari[sz]e|in summary|tl;?dr|bottom line|in a nutshell|all in all|on balance|hmm|is(?= (?:therefore"
    r"|thus|hence))|i'd guess|i'd say it's"
    r"|option [a-d]|\(?[a-d][.)]|\d{1,2}[.)])[\s,:.-]{1,4})"
)
ALONE = re.compile(rf"[\s\"'(\[{{:>|/-]{{0,8}}(?:{_FILLER}|{_ADVERB}){{0,6}}(?:the {MEDIUM}|{MEDIUM})?[:\s(\[-]{{0,4}}")
CUT = re.compile(r"[,;:()\[\]|/\t]|\s-{1,2}\s|\s=?>|\b(?:and|or)\b|\.{2,}")  # behind which a word may stand alone
NOUN = re.compile(rf"(?:\s(?:{MEDIUM}|deepfake|work|creation|art|artwork)\b)?[\"')\]}}]{{0,3}}")
SEVERAL = re.compile(rf"\s{MEDIUM}\b(?<=s)")  # "a mix of drawings and real photos" is of parts
TAIL = re.compile(
    r"\s{0,8}(?:[.,:;!?)\]|>/(]|-{1,2}(?:\s|\Z)|\Z)|\s(?:because|as|since|due|and|with|based|given|though"
    r"|although|but|that"
    r"|however|so|rather|yet|while|in my|to me|overall|of|showing|which|taken|captured|according|imo|imho"
    r"|i (?:think|guess"
    r"|believe|suppose|would say|'d say)|for sure|after all|such as|like (?:midjourney|sora|stable)|instead"
    r"|using|via)\b"
)
# What may follow "a real image", which is whole, but not "real"; and what "a fake image" alone.
OF_NOUN = re.compile(r"\s(?:from|by|shot|depicting|in (?:which|the style))\b")
OF_FAKE_NOUN = re.compile(rf"\s{_MADE}\b")
RESUMES = re.compile(  # another sentence, without a mark before it
    r"\s(?:it|this|the|that|i|i'd|my|wait|no|yes|actually|answer|verdict|final|conclusion|label|correction"
    r"|in fact|but|so)\b"
)
# "Fake: No", "Real (0.03)", and "Fake (95 % confident)"
VALUE = re.compile(
    r"[\s)\]]{0,3}(?:(?:[:=]|is\b){0,2}(?P<corrects>[,;(-]\s{0,3})?\s{0,3}(?P<no>(?:no|none|nope|not|false|wrong"
    r"|untrue|incorrect)\b(?!\s\w))"
    r"|(?:[:=(-]|is\b){1,2}\s{0,3}(?P<number>[.\d]))"
)
CERTAIN = re.compile(r"[\s:=(-]{1,5}(?:[5-9]\d|100)(?:\.\d{1,3})?\s?%(?:\s(?:confiden|certain|sure)|\))")
CROSSED = re.compile(r"\[\s?\]\s{0,3}\Z")

# ------------------------------------------------------------------------------- what makes it less than a statement

SURE = re.compile(
    r"\b(?:without (?:a |any )?(?:shadow of a |reasonable )?doubt|(?:there is |there's |i have "
    r"|have )?no (?:doubt|question)"
    r"(?: in my mind)?(?: that)?|beyond (?:a |any |all )?(?:reasonable )?doubt|(?:it is|it's) (?:safe"
    r"|fair) to (?:say|conclude|assume) (?:that)?"
    r"|(?:there is |there's |i see )an? (?:very |extremely |quite )?(?:high|strong|good|great) (?:chance|likelihood"
    r"|probability|possibility) (?:that )?)\b,?\s?"
)
NEGATED = re.compile(
    r"\b(?:not|cannot|never|no|non|none|nothing|nobody|neither|nor|without|hardly|barely|scarcely|unlikely|doubt\w{0,8}"
    r"|zero|little|lacks?|lacking|far from|anything but|fails?|failed|failing|impossible|improbable|implausible"
    r"|opposite"
    r"|den(?:y|ies|ied)|reject\w{0,3}|refuse\w{0,2}|rul(?:e|es|ed|ing) out|wrong|false|incorrect|mistaken"
    r"|untrue|contrary"
    r"|disagree|dispute|instead of|rather than|other than|as opposed to|less|least|than|too|disproves?|stop(?:s|ped)"
    r"|cease[sd]?|s[kc]eptical|exclude[sd]?|chances?|odds|probability|likelihood|possibility|ain't)\b|n't\b"
)
CONCEDES = re.compile(r"\b(?:although|though|while|whereas|despite|even if|even when)\b")  # up to its clause's end
HEDGED = re.compile(
    r"\b(?:if|whether|unless|until|could|may|might|maybe|perhaps|possibly|anything|as though"
    r"|almost(?! certainly)|nearly|partly"
    r"|partially|mostly|half|semi|somewhat|seemingly|supposed\w{0,2}|alleged\w{0,2}|ostensibly|meant|intended|designed"
    r"|trying|tries|tried|attempts?|attempting|pretend\w{0,3}|claim\w{0,3}|says|said|states|stated|according to|told"
    r"|asked|asks?|questions?|prompts?|captions?|titles?|reads|someone|somebody|people|they|he|she|users?"
    r"|wonder|suspect"
    r"|would (?:have|think|look|appear|seem|be(?! that))|one would|assum\w{1,4}|suppose|imagin\w{1,3}|at first"
    r"|initial(?:ly)?"
    r"|first (?:glance|sight|look|impression)|at a glance|on the surface|superficially|from a distance|normally|usually"
    r"|either|both|enough|tempt\w{0,3}|mimic\w{0,3}|imitat\w{1,4}|pass(?:es)? (?:for|as)|want\w{0,3}|hop(?:e|ing)|wish"
    r"|unsure|hard to|difficult to|unclear|uncertain|expect\w{0,3}|were|in order to|used to|previously|once|earlier"
    r"|other(?:s|wise)?|argue|or|no way|examples?|formats?|(?:signs?|evidence|proof|reasons?|idea|notion"
    r"|indications?) (?:that|why)|when(?! (?:i|you|we|look|zoom|view))|let's|let us|for the sake|previous"
    r"|need(?:s|ed)?|requires?|to (?:tell|claim|prove|confirm|verify|ensure)|hypothetical\w{0,2}|for (?:example"
    r"|instance)|not a chance|made to|try to)\b"
    r"|\b[0-4]?\d(?:\.\d{1,3})?\s?%"
)
ATTRIBUTED = re.compile(r"\b(?:say|believe|think|insist|feel|consider|argue|maintain|swear|agree)s?\b")  # unless it is
SELF = re.compile(r"\b(?:i|i'd|i'll|i'm|we|we'd|my|our)\b")
WITHDRAWN = re.compile(r"\W*(?:not|no|nope|wrong|false|just kidding|kidding|as if)\W*")  # the next sentence
# Behind these nothing earlier in the sentence negates or doubts what follows; no negation reaches behind a clause.
TURN = re.compile(
    r"\b(?:but|so|therefore|thus|hence|consequently|however|yet|in reality|which (?:means|indicates|suggests|shows))\b"
    r"(?! (?:far|much|many|real|fake|as)\b)"
)
CLAUSE = re.compile(
    r"(?:[,;:]|\s-{1,2})\s?(?:and|this|it|the|meaning|indicating|suggesting|i|my|overall|in fact|actually)\b"
    r"|\band (?:this|it|the)\b|\A\s{0,3}(?:no|yes|nope|yeah)(?:[,;:]|\s(?:wait|actually|hold on)\b)"
    r"|\b(?:detected|found|visible|present|seen|observed|evident|noticed|identified|apparent)(?::|\s-{1,2})\s"
)
DOUBTED_AFTER = re.compile(
    r"[\s\"')]{0,4}[,;(-]{1,2}\s?(?:one|you|they|some|many|people|or|not(?! (?:an? )?(?:real|fake|ai|authentic"
    r"|genuine|synthetic)\b)"
    r"|no(?! (?:signs?|art[ie]facts?|anomal|visible|obvious|evidence|trace|inconsisten|manipul|unnatural|error"
    r"|issue|doubt|question))|as (?:they|if|claimed|the caption"
    r"|stated)|only|from (?:a distance|afar)"
    r"|supposedly|allegedly|at (?:least|first)|initially|except|apart from|aside from|save for|right|isn't|is it|said"
    r"|says|claims?|according|if|unless|until|would)\b"
    r"|(?:\s\w{1,12}){0,2}\s(?:at first|initially|at a glance|on the surface|if|unless|until|except|apart from"
    r"|enough)\b"
)
BUT = re.compile(
    r"\b(?:but|however|yet|nevertheless|nonetheless|although|though|except|still|whereas)\b"
    r"|\b(?:up)?on (?:closer|second)"
    r"|\blook(?:ing)? closer"
)
BUT_NEXT = re.compile(rf"\W{{0,4}}(?:{BUT.pattern}|that said)")
REASON = re.compile(r"\b(?:because|since|due|as|given)\b")
WEAK = re.compile(r"\s(?:look|seem|appear|feel)")
