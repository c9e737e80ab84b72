"""Month names and their usual short forms, by language. Read without accents, dots and case (see `folding.fold`)."""

from __future__ import annotations

from services.ingestion.readers.folding import fold

# Twelve entries a language, January first; several forms are separated by blanks.
_NAMES: dict[str, str] = {
    "en": "january jan,february feb,march mar,april apr,may,june jun,july jul,august aug,september sept sep,"
    "october oct,november nov,december dec",
    "de": "januar jänner jaenner jan jän,februar feber feb,märz maerz mär mrz mrz,april apr,mai,juni jun,juli jul,"
    "august aug,september sept sep,oktober okt,november nov,dezember dez",
    "fr": "janvier janv jan,février févr fév fevr,mars mar,avril avr,mai,juin,juillet juil,août aout aoû,"
    "septembre sept sep,octobre oct,novembre nov,décembre déc",
    "es": "enero ene,febrero feb,marzo mar,abril abr,mayo may,junio jun,julio jul,agosto ago,septiembre setiembre sept sep set,"
    "octubre oct,noviembre nov,diciembre dic",
    "it": "gennaio gen,febbraio feb,marzo mar,aprile apr,maggio mag,giugno giu,luglio lug,agosto ago,settembre set sett,"
    "ottobre ott,novembre nov,dicembre dic",
    "nl": "januari jan,februari feb,maart mrt maa,april apr,mei,juni jun,juli jul,augustus aug,september sep sept,oktober okt,"
    "november nov,december dec",
    "pt": "janeiro jan,fevereiro fev,março mar,abril abr,maio mai,junho jun,julho jul,agosto ago,setembro set,outubro out,"
    "novembro nov,dezembro dez",
    "pl": "stycznia styczeń sty,lutego luty lut,marca marzec mar,kwietnia kwiecień kwi,maja maj,czerwca czerwiec cze,"
    "lipca lipiec lip,sierpnia sierpień sie,września wrzesień wrz,października październik paź,listopada listopad lis,"
    "grudnia grudzień gru",
    "cs": "ledna leden led,února únor úno,března březen bře,dubna duben dub,května květen kvě,června červen čvn,"
    "července červenec čvc,srpna srpen srp,září zář,října říjen říj,listopadu lis,prosince prosinec pro",
    "sk": "januára január,februára február,marca marec,apríla apríl,mája máj,júna jún,júla júl,augusta august,septembra,"
    "októbra október,novembra,decembra",
    "hu": "január jan,február feb febr,március márc már,április ápr,május máj,június jún,július júl,augusztus aug,"
    "szeptember szept szep,október okt,november nov,december dec",
    "sv": "januari jan,februari feb,mars mar,april apr,maj,juni jun,juli jul,augusti aug,september sep sept,oktober okt,"
    "november nov,december dec",
    "da": "januar jan,februar feb,marts mar,april apr,maj,juni jun,juli jul,august aug,september sep sept,oktober okt,"
    "november nov,december dec",
    "no": "januar jan,februar feb,mars mar,april apr,mai,juni jun,juli jul,august aug,september sep sept,oktober okt,"
    "november nov,desember des",
    "fi": "tammikuuta tammikuu tammi,helmikuuta helmikuu helmi,maaliskuuta maaliskuu maalis,huhtikuuta huhtikuu huhti,"
    "toukokuuta toukokuu touko,kesäkuuta kesäkuu kesä,heinäkuuta heinäkuu heinä,elokuuta elokuu elo,syyskuuta syyskuu syys,"
    "lokakuuta lokakuu loka,marraskuuta marraskuu marras,joulukuuta joulukuu joulu",
    "ro": "ianuarie ian,februarie feb,martie mar,aprilie apr,mai,iunie iun,iulie iul,august aug,septembrie sep sept,"
    "octombrie oct,noiembrie noi nov,decembrie dec",
    "tr": "ocak oca,şubat şub,mart mar,nisan nis,mayıs may,haziran haz,temmuz tem,ağustos ağu,eylül eyl,ekim eki,kasım kas,aralık ara",
    "ru": "января январь янв,февраля февраль фев,марта март мар,апреля апрель апр,мая май,июня июнь июн,июля июль июл,августа август авг,"
    "сентября сентябрь сен сент,октября октябрь окт,ноября ноябрь ноя нояб,декабря декабрь дек",
    "uk": "січня січ,лютого лют,березня бер,квітня кві,травня тра,червня чер,"
    "липня лип,серпня сер,вересня вер,жовтня жов,листопада лис,грудня гру",
    "el": "ιανουαρίου ιαν,φεβρουαρίου φεβ,μαρτίου μαρ,απριλίου απρ,μαΐου μαι,"
    "ιουνίου ιουν,ιουλίου ιουλ,αυγούστου αυγ,σεπτεμβρίου σεπ,οκτωβρίου οκτ,"
    "νοεμβρίου νοε,δεκεμβρίου δεκ",
    "id": "januari jan,februari feb,maret mar,april apr,mei,juni jun,juli jul,"
    "agustus agu agt ags,september sep,oktober okt,november nov,desember des",
    "hr": "siječnja sij,veljače velj,ožujka ožu,travnja tra,svibnja svi,lipnja,srpnja,kolovoza kol,rujna ruj,,studenoga stu,prosinca",
}


def _table() -> dict[str, int]:
    months: dict[str, int] = {}
    for names in _NAMES.values():
        for number, forms in enumerate(names.split(","), start=1):
            for form in forms.split():
                months.setdefault(fold(form), number)
    return months


MONTHS: dict[str, int] = _table()
