"""What banks call things inside cells: directions, states, balance lines. Data, folded with `folding.fold`."""

from __future__ import annotations

from services.ingestion.readers.folding import fold
from services.ingestion.readers.month_names import MONTHS


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.replace("\n", ";").split(";") if fold(word))


DEBIT = _words(
    """d; dr; db; dbit; deb; debit; debits; debet; débit; débito; debito; debitor; soll; s; af; out; outflow; outgoing; expense;
    expenses; spending; spent; withdrawal; withdrawals; withdraw; money out; paid out; sent; sending; payment out; debit entry; to;
    uitgave; uitgaven; ausgabe; ausgaben; ausgang; belastung; lastschrift; dépense; sortie; cargo; gasto; retiro; salida;
    addebito; addebiti; dare; uscita; spesa; saída; saida; despesa; saque; belastning; uttag; ut; utgift; udgift; udbetaling; utbetaling; hævet; uttak;
    wydatek; obciążenie; wypłata; wn; ma dati; výdaj; výdej; vydaj; vyber; výběr; odchozí; debetní; kiadás; terhelés; tartozik; kimenő;
    veloitus; otto; meno; cheltuiala; debitare; borç; gider; isplata; trošak; расход; списание; дебет; витрати; списання; χ; χρέωση; deebet;
    debets; debetas; breme; 支出; 借; 借方; 转出; 出金; 支払; 支払い; お支払い; 출금; 지급; 지출; pengeluaran; keluar; חובה; مدين"""
)
CREDIT = _words(
    """c; cr; crdt; cred; credit; credits; crédit; crédito; credito; kredit; creditor; haben; h; bij; in; inflow; incoming; income;
    earning; deposit; deposits; money in; paid in; received; receiving; payment in; credit entry; refund; from; inkomsten; inkomst; ontvangst; einnahme; einnahmen; eingang;
    gutschrift; recette; revenu; entrée; abono; ingreso; depósito; accredito; accrediti; avere; entrata; entrada; receita; depósito;
    insättning; inkomst; inn; indsat; indbetaling; innbetaling; innskudd; insatt; k; kredyt; uznanie; wpłata; wpływ; przychód; ma; dal; příjem; prijem; vklad;
    příchozí; kreditní; bevétel; jóváírás; követel; bejövő; hyvitys; pano; tulo; venit; creditare; alacak; gelir; uplata; prihod; приход; зачисление; кредит; пополнение; надходження; зарахування; π; πίστωση;
    kreedit; kredīts; kreditas; dobro; 收入; 贷; 贷方; 转入; 入金; お預り; 입금; 수입; pemasukan; masuk; זכות; دائن"""
)
# Kinds and categories of what is earned: money in, but for corrections. Salaries are none of them: a firm's account pays them.
EARNED = _words(
    """income; other income; business income; regular income; paycheck; paychecks; einkommen; einnahmen; revenu; revenus; ingresos; reddito; entrate; receitas; inkomen; inkomsten;
    inkomst; inntekt; indkomst; dochód; przychody; příjem; příjmy; jövedelem; доход; доходы; 收入"""
)
# Kinds of booking that say the direction in card exports whose amounts carry no sign.
PURCHASE = _words(
    "purchase; purchases; sale; sales; card purchase; pos purchase; card sale; achat; kauf; aankoop; compra; acquisto; köp; nákup; zakup"
)
CARD_CREDIT = _words(
    "payment; payments; refund; refunds; return; returns; credit; credits; payment received; paiement; zahlung; pago; pagamento; cashback; reversal"
)
CARD_DEBIT = _words("fee; fees; interest; interest charge; cash advance; charge; debit; service charge") | PURCHASE

CARD_PAYMENTS = _words("payments and credits; payment/credit")  # what only card companies call a category

PENDING = _words(
    """pending; in progress; processing; authorised; authorized; authorisation; authorization; hold; on hold; held; uncleared; unposted; not posted;
    scheduled; awaiting; vorgemerkt; vorgemerkte; umsatz vorgemerkt; offen; in bearbeitung; ausstehend; reservierung; reserviert; en cours; en attente; à venir;
    pendiente; en proceso; retenido; pendente; em processamento; in sospeso; in attesa; non contabilizzato; da contabilizzare; autorizzato; in lavorazione;
    in behandeling; gereserveerd; reservering; nog te verwerken; oczekująca; oczekujące; oczekujacy; blokada; w realizacji; nierozliczona; niezaksięgowana; čeká; čekající; čeká na zaúčtování;
    nezaúčtováno; blokace; rezervace; függőben; függő; zárolt; zárolás; reserverad; reserveret; reservert; preliminär; avvaktar; afventer; venter; ikke bokført;
    kommende; varaus; odottaa; in asteptare; beklemede; provizyon; na čekanju; oczekuje; в обработке; ожидание; ожидает; в обробці; 等待付款; 处理中; 待付款; 等待确认收货; 未确定;
    処理中; 未確定; 대기; 처리중"""
)
POSTED = _words(
    """posted; completed; complete; cleared; settled; booked; executed; done; success; successful; succeeded; paid; processed; reconciled; final; approved; accepted;
    gebucht; gebuchte; umsatz gebucht; verbucht; ausgeführt; abgeschlossen; udført; erledigt; comptabilisé; comptabilisée; comptabilisées; effectué; effectuée; exécuté; terminé; réglé;
    contabilizado; contabilizada; realizado; completado; finalizado; efetivado; efetuado; concluído; contabilizzato; eseguito; completato; geboekt; verwerkt; uitgevoerd; voltooid;
    zaksięgowana; zaksięgowano; rozliczona; zrealizowana; wykonana; zaúčtováno; zaúčtovaná; provedeno; proběhlo; könyvelt; teljesült; elszámolt; lekönyvelt; bokförd; bokfört; bokført; bogført; gennemført; utfört;
    utført; genomförd; kirjattu; toteutunut; finalizat; tamamlandı; knjiženo; refunded; partially refunded; c; r; ok; issued; berechnet; approvato; approvata; zakończono; zakończona; zakończone; dokončeno; dokončená;
    befejezve; finalizată; concluída; исполнено; исполнена; выполнен; выполнено; выполнена; проведено; виконано; успішно; 交易成功; 支付成功; 已存入零钱; 退款成功; 还款成功; 对方已收钱; 已收钱;
    已转账; 充值完成; 提现已到账; 已到账; 朋友已收钱; 已支付; 成功; 完了; 確定; 완료; 승인; 정상"""
)
VOID = _words(
    """declined; decline; failed; failure; reverted; reversed authorization; cancelled; canceled; denied; rejected; refused; voided; void; expired; removed; error; returned unpaid;
    memo; abgelehnt; storniert; fehlgeschlagen; abgebrochen; gescheitert; refusé; refusée; annulé; annulée; échoué; rejeté; rechazado; rechazada; anulado; anulada; cancelado; cancelada; fallido;
    recusado; rejeitado; rifiutato; annullato; stornato; fallito; geweigerd; geannuleerd; mislukt; afgewezen; odrzucona; odrzucony; anulowana; anulowany; zamítnuto; zamítnutá; zrušeno; zrušená; stornováno;
    elutasítva; sikertelen; törölt; avvisad; avvist; afvist; annullerad; annulleret; avbruten; makulerad; hylätty; peruttu; respins; iptal; reddedildi; odbijeno; rückgängig gemacht; zurückgesetzt; cofnięto; cofnięta; odrzucono; vráceno; отклонено; отклонена;
    отменено; отменена; отказ; відхилено; скасовано; 交易关闭; 交易失败; 已关闭; 支付失败; 取消; 失敗; 취소; 거절; 실패; 승인취소"""
)

# A text of two or three words may end in one of these ("card refused") or begin so ("declined - insufficient funds"), but not in words that
# also end the name of something else ("credit memo").
_VOID_AT_END = VOID - _words("memo; error; removed; void; 取消; 失敗; 취소; 거절; 실패")

_NOT = frozenset("not no non nicht kein keine ne pas niet nie ikke inte ej".split())
YES, NO = frozenset("true yes y t 1 ja oui si sí x".split()), frozenset("false no n f 0 nein non nee nej".split())

# Lines that are not transactions: a text that starts so, in a row without a date or without an amount of its own.
BALANCE_LINES = _words(
    """total; totals; grand total; sub total; subtotal; sum; balance; opening balance; closing balance; beginning balance; ending balance; starting balance;
            previous balance; new balance; current balance; available balance; ledger balance; statement balance; balance brought forward; balance carried forward;
            brought forward; carried forward; end of report; end of statement; end of file; page; summe; gesamt; gesamtsumme; saldo; anfangssaldo; endsaldo; kontostand; schlusssaldo; saldovortrag;
            alter kontostand; neuer kontostand; alter saldo; neuer saldo; übertrag; solde; ancien solde; nouveau solde; solde initial; solde final; solde précédent; total des mouvements;
            saldo inicial; saldo final; saldo anterior; totale; saldo iniziale; saldo finale; saldo contabile; saldo disponibile; totaal; beginsaldo; eindsaldo; begin saldo; eind saldo;
            suma; razem; saldo początkowe; saldo końcowe; podsumowanie; celkem; součet; počáteční zůstatek; konečný zůstatek; zůstatek; összesen; nyitó egyenleg; záró egyenleg; egyenleg;
            summa; ingående saldo; utgående saldo; ingående balans; utgående balans; sum totalt; inngående saldo; primosaldo; ultimosaldo; loppusaldo; alkusaldo; saldo do dia; lançamentos futuros"""
)
_MOST_WORDS = max(len(words.split()) for words in BALANCE_LINES)


# A dated line of exactly these words repeats a balance in the amount column. Opening balances are not among them: in a household's
# own book they are its first entry; nor is "total", which sells petrol.
BALANCE_ENTRIES = _words(
    """saldo; s a l d o; saldo anterior; saldo final; saldo do dia; saldo finale; saldo końcowe; saldovortrag; endsaldo; alter saldo; neuer saldo; alter kontostand; neuer kontostand; eindsaldo;
    ancien solde; nouveau solde; solde précédent; closing balance; ending balance; previous balance; new balance; balance brought forward; balance carried forward; brought forward;
    carried forward; balance b f; balance c f; kontostand; konečný zůstatek; záró egyenleg; utgående saldo; loppusaldo; ultimosaldo; lõppsaldo; beigu atlikums; likutis pabaigai;
    исходящий остаток; входящий остаток"""
)


# Where a statement has such a line, dated lines of exactly these words are no bookings either: it opens and sums up its period with them.
PERIOD_ENTRIES = _words(
    """opening balance; beginning balance; starting balance; turnover; debit turnover; credit turnover; total turnover; anfangssaldo; saldo inicial; saldo iniziale; solde initial;
    beginsaldo; saldo początkowe; počáteční zůstatek; nyitó egyenleg; ingående saldo; alkusaldo; primosaldo; algsaldo; käive; sākuma atlikums; apgrozījums; likutis pradžiai; apyvarta"""
)


def is_balance_line(text: str) -> bool:
    """Whether a text starts with a word for a total or a balance, as a whole word."""
    words = fold(text).split()[:_MOST_WORDS]
    return any(" ".join(words[:count]) in BALANCE_LINES for count in range(1, len(words) + 1))


# Words between the name of a balance and its date.
_BEFORE_DATE = frozenset("per am vom zum on as at of the den du au le al del de dd til pr na za z dnia k ke".split())


def names_balance(text: str, known: frozenset[str]) -> bool:
    """Whether a text is one of the `known` words for a balance, with nothing but its date behind it.

    A mere number does not do: it may be a shop's, or what somebody loaded onto a phone.
    """
    folded = fold(text)
    if folded in known:
        return True
    words = folded.split()
    name = list(words)
    while name and (name[-1].isdecimal() or name[-1] in MONTHS or name[-1] in _BEFORE_DATE):
        name.pop()
    return " ".join(name) in known and _is_date(words[len(name) :])


def _is_date(words: list[str]) -> bool:
    """A day, month and year, or a number and a month's name or a year."""
    numbers = [word for word in words if word.isdecimal()]
    if len(numbers) == 3 and all(len(number) < 3 for number in numbers):
        return True
    years = [number for number in numbers if len(number) == 4 and number[:2] in ("19", "20")]
    return bool(numbers) and (any(word in MONTHS for word in words) or (len(years) == 1 and len(words) > 1))


def direction_of(text: str) -> int:
    """-1 for a word that says that money leaves, 1 for money coming in, 0 for any other."""
    bare = text.strip()
    if bare in ("-", "\N{MINUS SIGN}"):
        return -1
    if bare == "+":
        return 1
    folded = fold(bare)
    return -1 if folded in DEBIT else 1 if folded in CREDIT else 0


def state_of(text: str) -> str:
    """ "pending", "void", "posted", or "" for a word that says nothing of the state."""
    folded = fold(text)
    if folded in PENDING:
        return "pending"
    if folded in VOID:
        return "void"
    if folded in POSTED:
        return "posted"
    words = folded.split()
    if not 1 < len(words) <= 3 or not _NOT.isdisjoint(words):
        return ""
    return "void" if words[0] in _VOID_AT_END or words[-1] in _VOID_AT_END else "pending" if words[0] == "pending" else ""
