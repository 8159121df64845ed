// What a client says of its cases, a line for each, and how long one may take.
//
//     STATUS NAME[ # WHY]

module.exports = (seconds) => {
    let lines = 0;

    return {
        printed: () => lines,

        print(status, name, why) {
            const text = why ? ` # ${String(why).replace(/\s+/g, ' ')}` : '';

            console.log(`${status} ${name}${text}`);
            lines++;
        },

        within(promise, what) {
            let timer;

            const late = new Promise((resolve, reject) => {
                timer = setTimeout(() => {
                    reject(new Error(`${what}: not within ${seconds} s`));
                }, seconds * 1000);
            });

            return Promise.race([promise, late])
                .finally(() => clearTimeout(timer));
        },
    };
};
